"""What MLflow shows of the run store: a mirror, written live, settled and rebuilt at will, and read by nothing."""
