"""Runs over time and compared with each other: what changed, and what changed around them."""
