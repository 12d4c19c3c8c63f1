"""Publishing: records of real runs copied to reports/published, and the generated pages made from them."""
