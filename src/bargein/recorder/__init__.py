"""A call is a folder: what happened and what was ordered, line by line, and a way to let it happen again."""
