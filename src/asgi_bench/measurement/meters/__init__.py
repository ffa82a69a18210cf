"""What is read at the edges of slices: one module per meter, and no list of them elsewhere.

`edges` reads them all; each is known by its module's function `meter`.
"""
