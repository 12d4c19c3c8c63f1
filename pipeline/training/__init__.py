"""The training engine: (model, recipe, data, seed, device) -> History. It knows neither MLflow nor the run store."""

PROTOCOL_VERSION = 2
"""To be raised by hand with every change of the training engine that changes results."""
