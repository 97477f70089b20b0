"""What graphship does: each operation takes settings and adapters, and returns a frozen result."""
