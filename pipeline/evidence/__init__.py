"""Evidence: run store, records, statistics, and the published population."""
