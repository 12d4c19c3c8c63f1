"""Opens finished networks."""
