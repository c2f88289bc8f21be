"""Pictures: read, made ready to be sent, masked, restored, and checked as they come back."""
