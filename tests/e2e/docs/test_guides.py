"""The guides are followed to the letter: their files are written, their commands typed, their outputs compared.

In a guide, a fence ``python file=serving/graph.py`` is a file, and a fence ``console`` is a shell session: lines after
``$`` are typed, the lines below them are what comes out, where ``...`` stands for anything. A command that ends in
``&`` runs until the end of the guide; what it prints below is waited for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[3]
PAGES = [*(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/README.md")]
GUIDES = sorted(page for page in PAGES if "```console" in page.read_text(encoding="utf-8"))
PORTS = ("8080", "8081")
"""Of the guides; here each is any free one."""

pytestmark = pytest.mark.e2e


@dataclass
class Session:
    """One shell in one folder, in which a guide is followed."""

    folder: Path
    ports: dict[str, str]
    servers: list[subprocess.Popen[str]] = field(default_factory=list)
    readers: list[threading.Thread] = field(default_factory=list)

    def write(self, name: str, content: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def type(self, command: str, expected: str = "") -> str:
        """Return what the command prints, to either stream; of a server, as much as is expected to be printed."""
        command = _renamed(command, self.ports)
        if command.endswith("&"):
            return self._start(command.removesuffix("&").strip(), expected)
        ended = subprocess.run(
            ["bash", "-c", command],
            check=False,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        return _renamed(ended.stdout + ended.stderr, self._names)

    @property
    def _names(self) -> dict[str, str]:
        return {port: name for name, port in self.ports.items()}

    def _start(self, command: str, expected: str) -> str:
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
        printed = ""
        while not _matches(expected, printed) and (line := server.stdout.readline()):
            printed += _renamed(line, self._names)
        reader = threading.Thread(target=server.stdout.read)  # a full pipe would stop the server
        reader.start()
        self.readers.append(reader)
        return printed

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


def _renamed(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        text = text.replace(old, new)
    return text


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


def _free_ports() -> dict[str, str]:
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.socket()) for _ in PORTS]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return {name: str(one.getsockname()[1]) for name, one in zip(PORTS, sockets, strict=True)}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.relative_to(ROOT).with_suffix("").as_posix())
def test_a_guide_works_as_it_is_written(guide: Path, tmp_path: Path) -> None:
    session = Session(tmp_path, _free_ports())
    (tmp_path / "examples").symlink_to(ROOT / "examples")
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
                    printed = session.type(command, expected)
                    n_commands += 1
                    assert _matches(expected, printed), f"{guide.name}: `{command}` printed:\n{printed}"
    finally:
        session.close()

    assert n_commands > 0


def test_outputs_are_compared_and_dots_stand_for_anything() -> None:
    assert _matches("a ... z", "a\nb z\n")
    assert not _matches("a ... z", "a b")
    assert _commands("$ echo a \\\n  b\na b\n$ true\n") == [("echo a \\\n  b", "a b"), ("true", "")]
