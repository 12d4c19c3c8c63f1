"""Where images come from: obtained, checked and split once, then memory-mapped uint8 arrays."""
