"""Ways to a far end: each file is one, satisfying `contracts.Transport` by shape."""
