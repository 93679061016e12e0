"""Findings: results become facts, judged by stated rules."""
