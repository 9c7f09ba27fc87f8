"""What the call gives out: replies on their way to the client, paced, held, resumed and cut."""
