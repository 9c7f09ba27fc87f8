"""Vendors of STT, LLM, TTS and realtime models: a vendor is a folder that knows itself."""
