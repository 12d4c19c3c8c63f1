"""The stages of dvc.yaml, one module per kind of stage. Each reads its input, calls the core and writes its output."""
