"""Vendors of STT, LLM, TTS and realtime models: a vendor is a folder that knows itself.

Each folder has a `VENDOR` (common/vendor.py) and short names of its classes, such as `groq.Chat`. The server finds
vendors by entry points of the group `bargein.vendors`, ours and those of other distributions alike.
"""
