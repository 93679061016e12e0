"""Probe: labels and embeddings to scores beside their controls."""
