"""Runs over time and against one another: what changed, and what changed around it."""
