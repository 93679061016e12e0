"""Encoders of images and clips that transformers knows: families, their checkpoints' settings, strict loading."""
