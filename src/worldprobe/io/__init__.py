"""Files, folders and the hub."""
