"""Many server processes as one: who is there, which calls they have, and how a call goes on elsewhere."""
