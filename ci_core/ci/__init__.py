"""Which CI system runs us, for which event, and how it wants to be spoken to."""
