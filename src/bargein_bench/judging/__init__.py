"""What became of an interruption, from what sounded at the ear alone. Pure."""
