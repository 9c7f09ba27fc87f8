"""What callers do on the line while an agent speaks: sounds, and the scenes that they are played in."""
