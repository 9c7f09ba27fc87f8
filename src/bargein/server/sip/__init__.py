"""The SIP door: phones, PBXes and trunks call this server, and are called by it, with nothing between."""
