"""Compare ASGI servers honestly: interleaved load by Locust, validity checks, stored raw data.

Public are the command line, the files and `asgi_bench.load.FastUser`. All other names are the
tool's own and may change with any version; those with an underscore are a module's own.
"""

__version__ = "0.1.0"
