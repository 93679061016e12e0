"""The original experiment made again, and the waterfall of corrections."""
