"""Starts nginx with an answer built in: `start.py PORT WORKERS`; its files go beside this one."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONFIGURATION = """
daemon off;
worker_processes {workers};
pid {here}/{port}.pid;
error_log stderr error;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_timeout 1h;
    keepalive_requests 1000000000;
    client_body_temp_path {here}/temp;
    proxy_temp_path {here}/temp;
    fastcgi_temp_path {here}/temp;
    uwsgi_temp_path {here}/temp;
    scgi_temp_path {here}/temp;
    server {{
        listen 127.0.0.1:{port} backlog=2048;
        location / {{ default_type text/plain; return 200 "Hello, world!"; }}
    }}
}}
"""

port, workers = sys.argv[1:]
file = HERE / f"{port}.conf"
file.write_text(CONFIGURATION.format(here=HERE, port=port, workers=workers))
os.execlp("nginx", "nginx", "-e", "stderr", "-p", str(HERE), "-c", str(file))
