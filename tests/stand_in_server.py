"""A server process for tests of the local target, with the same command line as ``python -m ci_core.serving``.

It knows only this much: it answers ``GET /readyz`` and any ``POST`` with its release's label, its process id and the
length of the body; it does what ``bundle/serving/behaviour.json`` says (``ready``: false never gets ready; ``exit``:
ends at once with this code; ``status``: of answers to POST; ``delay_s``: before each answer); it writes one file to the
capture folder; SIGTERM ends it after its open requests. No graph, no models, no metrics.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    behaviour: ClassVar[dict[str, Any]] = {}

    def do_GET(self) -> None:
        is_ready = self.behaviour.get("ready", True)
        self._answer(200 if self.path == "/readyz" and is_ready else 503, {"ready": is_ready})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        time.sleep(self.behaviour.get("delay_s", 0))
        self._answer(
            self.behaviour.get("status", 200),
            {"label": self.behaviour["label"], "pid": os.getpid(), "bytes": len(body), "env": self._shown_env()},
        )

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""

    def _shown_env(self) -> list[str]:
        return sorted(name for name in os.environ if name in {"GITHUB_TOKEN", "RUNNER_TRACKING_ID", "COLOUR"})

    def _answer(self, status: int, data: dict[str, Any]) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("release", type=Path)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--captures", type=Path, required=True)
    options = parser.parse_args()
    release = json.loads((options.release / "release.json").read_text())
    Handler.behaviour = json.loads((options.release / "bundle" / "serving" / "behaviour.json").read_text())
    sys.stdout.write(f"stand-in for {release['project']}\n")
    if "exit" in Handler.behaviour:
        sys.stderr.write("cannot load the model\n")
        raise SystemExit(Handler.behaviour["exit"])
    (options.captures / f"{os.getpid()}.captured").write_text("")
    server = ThreadingHTTPServer((options.host, options.port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.02)


if __name__ == "__main__":
    main()
