"""The report's charts: one Altair specification each, for HTML, PNG and MLflow."""
