"""What a reader is shown: reports, figures, the README's tables, and the state of the stores."""
