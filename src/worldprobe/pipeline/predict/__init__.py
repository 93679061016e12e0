"""Predict: future embeddings, scored beside baselines."""
