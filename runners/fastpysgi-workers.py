"""Start fastpysgi with a worker count, which its own command line doesn't take."""

import argparse
from importlib import import_module

import fastpysgi

# Of its levels: what stops it. Its log of requests begins at a higher one.
FATAL_ERRORS = 1

parser = argparse.ArgumentParser()
parser.add_argument("app")
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--workers", type=int, required=True)
parser.add_argument("--cert")
parser.add_argument("--key")
asked = parser.parse_args()
module, _, name = asked.app.partition(":")
if asked.cert:
    fastpysgi.server.tls_list = [(asked.cert, asked.key, None)]
app = getattr(import_module(module), name)
fastpysgi.run(app, asked.host, asked.port, FATAL_ERRORS, asked.workers)
