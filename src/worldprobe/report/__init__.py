"""The report: a run's results become facts, and the facts become HTML, Markdown, a figure and a table."""
