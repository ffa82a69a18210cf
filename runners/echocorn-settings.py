"""Start echocorn, whose command line takes a configuration file and nothing else."""

import argparse
import tempfile
from pathlib import Path

from echocorn.server import main

# No access log, errors only, and times above what a connection may idle: 5 s between two requests
# and 10 s until the first one by default.
SETTINGS = """
app = "{app}"
server.host = "{host}"
server.port = {port}
server.workers = {workers}
server.request_timeout = 3600.0
server.keep_alive_timeout = 3600.0
logging.access = false
logging.level = "error"
"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("app")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--cert")
    parser.add_argument("--key")
    asked = parser.parse_args()
    text = SETTINGS.format_map(vars(asked))
    if asked.cert:
        text += f'tls.certfile = "{asked.cert}"\ntls.keyfile = "{asked.key}"\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "echocorn.toml")
        path.write_text(text, encoding="utf-8")
        raise SystemExit(main(["--config", str(path)]))
