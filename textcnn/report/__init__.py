"""How well a model does, and on what it fails: one page."""
