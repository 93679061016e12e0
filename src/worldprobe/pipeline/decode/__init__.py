"""Decode: embeddings to frames, scored on held-out clips."""
