"""Rules that decide the colour of the check, and what each came to."""
