"""A run in others' formats, one module each; `formats` knows them all.

Only usable cells are exported as numbers: what is invalid, failed or skipped is left out, or told
in words where the format has room for them.
"""
