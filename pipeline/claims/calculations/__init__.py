"""Calculations that decide claims without training. One subject = one module; new modules are found automatically."""
