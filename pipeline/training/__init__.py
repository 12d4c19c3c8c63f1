"""(model, recipe, data, seed, device) -> History: the training engine, free of MLflow and of paths of its own."""
