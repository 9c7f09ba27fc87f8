"""A call's story in the formats that other programs read."""
