"""Networks that no library has, as modules that hold their weights."""
