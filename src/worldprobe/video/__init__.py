"""Video files in: exact frames by index, the clips cut from them, and small films written back."""
