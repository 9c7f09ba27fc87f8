"""Simulated callers: telephones that interrupt an agent, and what they heard."""
