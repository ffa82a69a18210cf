"""Compare ASGI servers: interleaved load by Locust, validity checks, stored raw data.

The public interface is the command line, the files and `asgi_bench.load.FastUser`. All other names
are internal and may change with any version.
"""

__version__ = "1.0.0"
