"""The search for settings: trials within a budget of time, chosen by the validation texts (`search`)."""
