"""The browser's WebSocket: protocol bargein.v1."""
