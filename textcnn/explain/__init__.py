"""Explanations of a model's labels, filters and layers."""
