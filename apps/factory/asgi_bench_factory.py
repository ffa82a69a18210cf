"""The application that a factory makes: `app` is what calling `$ASGI_BENCH_FACTORY` gives.

Not every server has a flag for factories, and those that do spell it differently; this way each
of them is told to serve `asgi_bench_factory:app`, and every worker calls the factory once.
"""

import importlib
import operator
import os

_module, _, _attribute = os.environ["ASGI_BENCH_FACTORY"].partition(":")

app = operator.attrgetter(_attribute)(importlib.import_module(_module))()
