"""SIP signalling (RFC 3261): messages, session descriptions, transactions, dialogs, digest, registration.

The room knows nothing of audio devices, calls or agents. bytes and time come in, bytes and callbacks go out; only
`sockets` and `user_agent` know an event loop.
"""
