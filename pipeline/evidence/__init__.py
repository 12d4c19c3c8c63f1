"""What was observed: run store, records, statistics, the MLflow mirror, figures and rendering."""
