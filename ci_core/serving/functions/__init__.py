"""Child functions: steps of a serving graph that run in a process of their own."""
