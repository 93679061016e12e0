"""Label: videos to one table of labels."""
