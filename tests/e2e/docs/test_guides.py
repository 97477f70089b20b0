"""The guides are followed to the letter: their files are written, their commands typed, their outputs compared.

In a guide, a fence ``python file=serving/graph.py`` is a file, and a fence ``console`` is a shell session: lines after
``$`` are typed, the lines below them are what comes out, where ``...`` stands for anything. A command that ends in
``&`` runs until the end of the guide; its first line is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
GUIDES = sorted(page for page in (ROOT / "docs").glob("*.md") if "```console" in page.read_text(encoding="utf-8"))
PORT = "8080"

pytestmark = pytest.mark.e2e


@dataclass
class Session:
    """One shell in one folder, in which a guide is followed."""

    folder: Path
    port: int
    servers: list[subprocess.Popen[str]] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def write(self, name: str, content: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def type(self, command: str) -> str:
        """Return what the command prints, to either stream."""
        command = command.replace(PORT, str(self.port))
        if command.endswith("&"):
            return self._start(command.removesuffix("&").strip())
        ended = subprocess.run(
            ["bash", "-c", command],
            check=False,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return (ended.stdout + ended.stderr).replace(str(self.port), PORT)

    def _start(self, command: str) -> str:
        server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.servers.append(server)
        assert server.stdout is not None
        first = server.stdout.readline()
        reader = threading.Thread(target=server.stdout.read)  # a full pipe would stop the server
        reader.start()
        self.readers.append(reader)
        return first.replace(str(self.port), PORT)

    def _environment(self) -> dict[str, str]:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return {**os.environ, "PATH": path, "NO_COLOR": "1"}

    def close(self) -> None:
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            server.wait(60)
        for reader in self.readers:
            reader.join()
        for server in self.servers:
            if server.stdout is not None:
                server.stdout.close()


def _commands(session: str) -> list[tuple[str, str]]:
    """Return the commands of a ``console`` fence with what is printed after each."""
    found: list[tuple[str, str]] = []
    for part in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        n_lines = 1
        while lines[n_lines - 1].endswith("\\"):
            n_lines += 1
        found.append(("\n".join(lines[:n_lines]), "\n".join(lines[n_lines:])))
    return found


def _matches(expected: str, printed: str) -> bool:
    pattern = ".*".join(re.escape(part.strip()) for part in expected.split("..."))
    return re.fullmatch(pattern, printed.strip(), flags=re.DOTALL) is not None


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_a_guide_works_as_it_is_written(guide: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    session = Session(tmp_path, port)
    n_commands = 0

    try:
        for token in MarkdownIt().parse(guide.read_text(encoding="utf-8")):
            if token.type != "fence":
                continue
            file = re.search(r"\bfile=(\S+)", token.info)
            if file is not None:
                session.write(file[1], token.content)
            if token.info.split()[:1] == ["console"]:
                for command, expected in _commands(token.content):
                    printed = session.type(command)
                    n_commands += 1
                    assert _matches(expected, printed), f"{guide.name}: `{command}` printed:\n{printed}"
    finally:
        session.close()

    assert n_commands > 0


def test_outputs_are_compared_and_dots_stand_for_anything() -> None:
    assert _matches("a ... z", "a\nb z\n")
    assert not _matches("a ... z", "a b")
    assert _commands("$ echo a \\\n  b\na b\n$ true\n") == [("echo a \\\n  b", "a b"), ("true", "")]
