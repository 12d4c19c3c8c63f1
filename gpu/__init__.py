"""The study on a machine that has a GPU and PyTorch and little else: one archive, one script, records brought back."""
