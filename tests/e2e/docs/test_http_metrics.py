"""What a real server tells at ``/metrics`` is what the page about HTTP lists."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from ci_core.testing.prometheus_text import parse

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "http.md"

CODE = """from ci_core.serving import Model

class M(Model):
    def predict(self, rows):
        return [1] * len(rows)
"""

pytestmark = pytest.mark.e2e


def test_a_server_has_every_metric_that_is_there_without_conditions_and_none_that_is_not_listed(tmp_path: Path) -> None:
    listed = re.findall(
        r"^\| `(\w+)` \| (?:counter|gauge|histogram) \|.*\|(.*)\|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "graph.yaml").write_text("name: g\nsteps:\n  - router: single\n    routes: {m: code:M}\n")
    (tmp_path / "graphship.yaml").write_text("name: g\ngraph: graph.yaml\n")
    command = [sys.executable, "-m", "ci_core", "serve", "--port", "0", "--workers", "2", "--no-capture"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        try:
            assert server.stderr is not None
            found = re.search(r"http://\S+", server.stderr.readline())
            assert found is not None

            with urllib.request.urlopen(f"{found[0]}/", b'{"x": 1}') as answer:
                assert answer.read() == b"1"
            with urllib.request.urlopen(f"{found[0]}/metrics") as answer:
                told = set(parse(answer.read().decode()))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)

    assert {name for name, condition in listed if not condition.strip()} <= told
    assert told <= {name for name, _condition in listed}
