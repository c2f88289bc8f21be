"""From the bytes of a response to its images: spooled, decompressed, read in any of the shapes that servers use."""
