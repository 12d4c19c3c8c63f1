"""What was observed: run store, records, statistics, and the published population."""
