"""What the call takes in: the user's audio, its words, its turns."""
