"""Vendors' wire protocols, spoken locally: what a test or a machine without a key talks to."""
