"""Compare ASGI servers honestly: interleaved, Locust-driven load, validity checks, stored raw data."""

__version__ = "0.1.0"
