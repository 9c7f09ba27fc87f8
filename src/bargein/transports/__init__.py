"""Ways to a far end: each file is one, satisfying `protocols.Transport` by shape."""
