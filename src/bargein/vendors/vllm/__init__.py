"""A vLLM server of one's own."""
