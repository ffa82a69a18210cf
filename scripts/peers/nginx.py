"""Become an nginx that answers every request with the hello scenario's body.

Arguments: host, port, number of workers. The configuration goes to a folder of its own under the
temporary directory, which the caller may remove once nginx has ended.
"""

import os
import sys
import tempfile
from pathlib import Path

CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {folder};
    proxy_temp_path {folder};
    fastcgi_temp_path {folder};
    uwsgi_temp_path {folder};
    scgi_temp_path {folder};
    server {{
        listen {host}:{port} backlog=2048;
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}
    }}
}}
"""

host, port, workers = sys.argv[1:]
folder = Path(tempfile.mkdtemp(prefix="asgi-bench-nginx-"))
file = folder / "nginx.conf"
file.write_text(CONFIGURATION.format(host=host, port=port, workers=workers, folder=folder))
os.execvp("nginx", ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(file)])
