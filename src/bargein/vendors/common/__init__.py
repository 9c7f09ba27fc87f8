"""What several vendors share."""
