"""A finding a file: what a section of the report says, and how it is judged."""
