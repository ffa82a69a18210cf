"""A run in others' formats, one module each; `formats` lists them all.

Only usable cells are exported as numbers: invalid, failed and skipped ones are left out, or
described in words if the format has room for them.
"""
