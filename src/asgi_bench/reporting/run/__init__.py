"""The report of a run: a module for each of its sections, and `report` that puts them together."""
