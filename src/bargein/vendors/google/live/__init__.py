"""Gemini Live: a model that hears and speaks."""
