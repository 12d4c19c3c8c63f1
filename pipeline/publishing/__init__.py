"""Publishing: records of real runs copied to reports/published, and the README's figures made from them."""
