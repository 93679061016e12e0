"""Marks on axes: panels of values as SVG and PNG."""
