"""Tells the owner's own server of each call that is over, signed, and as often as it takes."""
