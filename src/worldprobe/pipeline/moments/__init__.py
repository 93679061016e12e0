"""Moments: a few clips of a run, kept for the report to show."""
