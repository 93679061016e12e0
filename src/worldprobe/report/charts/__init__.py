"""Facts as panels: one module a section of the report."""
