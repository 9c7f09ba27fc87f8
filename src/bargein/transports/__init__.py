"""Connections to a client: a module for each kind, a `protocols.Transport` by shape."""
