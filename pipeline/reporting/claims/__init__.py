"""Claims in the report: compared arms, costs, and verdicts in words."""
