"""Estimate: what a run would take, before anything is done."""
