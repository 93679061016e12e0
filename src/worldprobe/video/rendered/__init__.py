"""Rendered films whose truth is known: sprites and their violations."""
