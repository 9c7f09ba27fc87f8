"""Audio over RTP (RFC 3550, 3551): packets, their repair, and a transport made of them."""
