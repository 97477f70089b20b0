"""A server with a certificate of its own, which nobody trusts unless it is named."""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from tests.servers.http_server import json_response, write_response

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Return the files of a new certificate for ``localhost`` and of its key."""
    certificate, key = folder / "ca.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*command, "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


@contextlib.contextmanager
def encrypted_server(certificate: Path, key: Path) -> Iterator[str]:
    """Answer every question with an empty list until the end of the block; the address is the value."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            write_response(self, json_response([]))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_refused: None  # type: ignore[method-assign] # a client that does not trust us
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
