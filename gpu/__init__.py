"""The study on a GPU machine with only PyTorch: build an archive, run a script there, collect the records."""
