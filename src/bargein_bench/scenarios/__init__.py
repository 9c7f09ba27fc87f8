"""What callers do while an agent speaks: sounds, and the scenes in which they are played."""
