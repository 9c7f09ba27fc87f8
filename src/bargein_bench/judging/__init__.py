"""What became of an interruption, from what the caller heard alone. Pure."""
