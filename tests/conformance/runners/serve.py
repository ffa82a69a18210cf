"""The small server as a command: `serve.py MODULE:APP PORT [FAULT ...]`."""

import importlib
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[3]))

from tests.conformance.good_server import Server


def main() -> int:
    """Serve until a signal."""
    module, _, attribute = sys.argv[1].partition(":")
    app = getattr(importlib.import_module(module), attribute)
    server = Server(app, dict.fromkeys(sys.argv[3:], True), port=int(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: server.request_stop())
    server.start()
    while not server.ended_within(0.05):
        pass
    sys.stdout.write(server.log())
    return server.exit_code or 0


if __name__ == "__main__":
    sys.exit(main())
