"""What servers list as their models: read, kept for an hour, and joined with the catalogue."""
