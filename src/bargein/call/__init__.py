"""One live call: wires a transport, an agent and a floor together; playout, conversation, record."""
