"""Servers counted in place of timed: lives or windows, under a backend, with a plain client."""
