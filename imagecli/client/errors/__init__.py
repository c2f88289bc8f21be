"""What an error document says, and which error it is."""
