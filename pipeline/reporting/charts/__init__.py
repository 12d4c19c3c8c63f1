"""The report's charts. Each has one Altair specification for HTML, PNG and MLflow."""
