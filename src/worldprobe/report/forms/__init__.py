"""Facts as HTML, Markdown, terminal text, a model card and a Rerun recording."""
