"""Probes, their splits, controls and scores. Knows arrays and groups; neither videos nor encoders."""
