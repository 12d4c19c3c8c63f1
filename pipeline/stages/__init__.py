"""One kind of stage = one module; each parses, reads, calls the core and writes. dvc.yaml calls them."""
