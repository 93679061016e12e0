"""Encoders made of another: the whole frame shown, frames in pairs."""
