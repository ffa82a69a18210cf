"""A history as text and as a page: what changed, with which run and commit, by how much."""
