"""Texts to tokens to ids."""
