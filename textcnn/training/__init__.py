"""Training: from labelled texts to a model."""
