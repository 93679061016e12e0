"""Measure the checkpoints of a training as they appear in a folder."""
