"""Publishing: copies records of real runs to reports/published, and updates the generated pages."""
