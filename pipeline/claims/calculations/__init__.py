"""Calculations that settle claims without training. One subject = one module; a new module here is found by itself."""
