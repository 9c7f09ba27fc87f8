"""What was said and heard: the conversation, the ledger of heard words, the call's status."""
