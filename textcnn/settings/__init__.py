"""Settings: what they are (`config`), the networks that there are (`architectures`), flat names, and presets."""
