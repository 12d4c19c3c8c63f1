"""(model, recipe, data, seed, device) -> History: the training engine, free of MLflow and of paths of its own."""

PROTOCOL_VERSION = 2
"""Raised by hand whenever the training engine changes in a way that changes results."""
