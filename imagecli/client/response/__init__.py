"""What a server sends: spooled, and read into images, events and partial images."""
