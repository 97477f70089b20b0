"""What the user wants, as read from ``graphship.yaml``, environment and flags."""
