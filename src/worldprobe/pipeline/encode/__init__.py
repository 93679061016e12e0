"""Encode: videos to embeddings in the store."""
