"""OpenAI Realtime over WebSocket and WebRTC."""
