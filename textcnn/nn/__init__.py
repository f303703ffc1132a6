"""Networks on tensors: the look-up convolution, pooling, embedding channels, and one paper per file."""
