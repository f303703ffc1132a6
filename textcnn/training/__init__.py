"""The training loop, early stopping and the constraints that the papers put on weights."""
