"""Images: inputs read and prepared for upload, masks, results restored, and what a server sends checked."""
