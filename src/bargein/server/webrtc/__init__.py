"""Pages that call by WebRTC with this server."""
