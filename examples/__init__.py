"""Three DVC projects of different shape, and what makes real Git and DVC histories of them."""
