"""What is remembered of a call outside its process, and how a call begins again from it."""
