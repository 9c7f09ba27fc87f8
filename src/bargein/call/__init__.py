"""One live call: a transport, an agent and a floor together; playout, conversation, record."""
