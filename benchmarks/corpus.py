"""Real pages for benchmarks: the Python documentation as Debian ships it, served by nginx on loopback."""

import contextlib
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PYTHON_DOC = Path("/usr/share/doc/python3-doc/html")  # Debian's package python3-doc; 526 of its pages can be reached

_NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1;
events {{ worker_connections 4096; }}
http {{
    types {{ text/html html; text/css css; application/javascript js; image/png png; text/plain txt py; }}
    access_log off; sendfile on; keepalive_requests 1000000;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{port}; root {root}; }}
}}
"""


@contextlib.contextmanager
def served(root: Path) -> Iterator[str]:
    """Serve a folder by nginx; gives the address of its root. RuntimeError when nginx is not installed or fails."""
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        raise RuntimeError("nginx is not installed (Debian: apt install nginx-light)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, port=port, root=root.resolve()))
        process = subprocess.Popen([nginx, "-e", f"{folder}/error.log", "-p", folder, "-c", str(config)])
        try:
            _wait_until_it_listens(port, process)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait()


def _wait_until_it_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=10):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise RuntimeError(f"nginx ended with {process.wait(0.02)}")
