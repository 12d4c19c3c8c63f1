"""What the source claims, as hypotheses with verdicts."""
