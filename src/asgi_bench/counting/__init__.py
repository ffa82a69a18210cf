"""Servers counted in place of timed: lives under a backend, with a plain client."""
