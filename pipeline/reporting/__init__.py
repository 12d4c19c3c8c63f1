"""What users read: reports, charts, and the state of the stores."""
