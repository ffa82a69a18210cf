"""Compare ASGI servers honestly: interleaved load by Locust, validity checks, stored raw data."""

__version__ = "0.1.0"
