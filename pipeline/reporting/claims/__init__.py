"""Claims as the report shows them: what was compared, what it cost, and the verdicts in words."""
