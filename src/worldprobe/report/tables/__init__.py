"""Tables of the report, each declared once and written by every form."""
