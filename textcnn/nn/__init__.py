"""Pure tensors: the look-up convolution, pooling, embedding channels and one paper a file."""
