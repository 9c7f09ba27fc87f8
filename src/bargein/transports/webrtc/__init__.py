"""A page's call by WebRTC with this server: `bargein.v1` on a data channel, audio as Opus over RTP."""
