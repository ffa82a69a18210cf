"""Run an nginx that answers every request with the hello scenario's body.

Arguments: host, port, number of workers, and `http2` where it is to speak that by prior knowledge
(an nginx of this age then speaks nothing else there), or `tls` with the files of a certificate and
its key. `/large` is 64 KiB of numbered lines, from a
file. Its files lie in a temporary folder that goes with it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

CONFIGURATION = """
daemon off;
{user}
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
        listen {host}:{port} {protocol} backlog=2048;
        {certificate}
        location = /large {{ default_type text/plain; alias {folder}/large; }}
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}
    }}
}}
"""

host, port, workers, *others = sys.argv[1:]
with tempfile.TemporaryDirectory(prefix="asgi-bench-nginx-") as name:
    # nginx drops its rights before it makes its own folders.
    folder = Path(name)
    folder.chmod(0o755)
    file = folder / "nginx.conf"
    large = folder / "large"
    large.write_bytes(b"".join(b"%07d\n" % number for number in range(64 * 1024 // 8)))
    large.chmod(0o644)
    # As root it would drop its rights, and with them the way to its files below a folder of ours.
    user = "user root;" if os.geteuid() == 0 else ""
    protocol, certificate = "", ""
    match others:
        case ["http2"]:
            protocol = "http2"
        case ["tls", cert, key]:
            protocol = "ssl"
            certificate = f"ssl_certificate {cert}; ssl_certificate_key {key};"
    file.write_text(
        CONFIGURATION.format(
            host=host,
            port=port,
            workers=workers,
            folder=folder,
            protocol=protocol,
            certificate=certificate,
            user=user,
        )
    )
    command = ["nginx", "-e", "stderr", "-p", name, "-c", str(file)]
    with subprocess.Popen(command) as nginx:
        # This waits for nginx to end, so that its files can go.
        signal.signal(signal.SIGTERM, lambda number, frame: nginx.terminate())
        code = nginx.wait()
sys.exit(code)
