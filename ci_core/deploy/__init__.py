"""Releases, plans, and the targets where serving graphs run."""
