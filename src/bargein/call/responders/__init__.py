"""Who makes the replies: an LLM with a TTS, or a realtime model."""
