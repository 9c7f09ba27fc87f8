"""Simulated callers: telephones and browsers that interrupt, and listen to how the agent yields."""
