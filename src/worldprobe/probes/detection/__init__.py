"""Whether a target is there at all, what would have shown had it been, and how long labels remember."""
