"""Frozen encoders: V-JEPA 2, and the floors that it has to beat."""
