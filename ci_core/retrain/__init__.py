"""From a drift verdict to a change request with a better model."""
