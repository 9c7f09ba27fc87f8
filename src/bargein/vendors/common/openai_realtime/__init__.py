"""OpenAI's Realtime protocol over WebSocket and WebRTC, for every server that speaks it. What differs is a dialect."""
