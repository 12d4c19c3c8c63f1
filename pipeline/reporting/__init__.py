"""What a reader is shown: reports, charts, and the state of the stores."""
