"""What the serving graphs of two revisions answer to the same requests, and how fast."""
