"""The demo's pure parts: outputs of a run, pinned versions, the end of a day, the environment of programs."""

from __future__ import annotations

import json
import sys
from email.message import Message
from importlib.metadata import Distribution, PackageNotFoundError, PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ci_core.demo.ci_run import read_outputs
from ci_core.demo.pins import pinned_requirements
from ci_core.demo.story import _rest_of_day
from ci_core.demo.workspace import TEMPLATE, open_workspace

if TYPE_CHECKING:
    from collections.abc import Callable


def test_outputs_of_one_line_and_of_several_are_read() -> None:
    text = "verdict=drift\nurl=http://x/?a=b<<c\nreport<<end-1\nfirst=1\n\nsecond\nend-1\nempty=\nverdict=no-drift\n"

    outputs = read_outputs(text)

    assert outputs == {
        "verdict": "no-drift",
        "url": "http://x/?a=b<<c",
        "report": "first=1\n\nsecond",
        "empty": "",
    }


class _Installed(PathDistribution):
    """A distribution that is described rather than installed."""

    def __init__(self, name: str, version: str, requires: list[str]) -> None:
        super().__init__(Path())
        self._name, self._version, self._requires = name, version, requires

    @property
    def metadata(self) -> Message:  # type: ignore[override]  # the protocol of the library is narrower than its code
        message = Message()
        message["Name"], message["Version"] = self._name, self._version
        return message

    @property
    def version(self) -> str:
        return self._version

    @property
    def requires(self) -> list[str]:
        return self._requires


def _index(*installed: _Installed) -> Callable[[str], Distribution]:
    by_name = {one._name.lower(): one for one in installed}

    def find(name: str) -> Distribution:
        if name.lower() not in by_name:
            raise PackageNotFoundError(name)
        return by_name[name.lower()]

    return find


def test_pins_are_what_the_extra_needs_and_no_more() -> None:
    find = _index(
        _Installed("app", "1.0", ['Server[fast]>=1 ; extra == "serve"', 'tests ; extra == "test"', "app[serve]"]),
        _Installed(
            "Server", "2.1", ['loop_x ; extra == "fast"', 'slow ; extra == "slow"', 'w ; sys_platform == "win32"']
        ),
        _Installed("loop_x", "0.3", ["app", "absent"]),
        _Installed("tests", "9", []),
        _Installed("slow", "9", []),
        _Installed("w", "9", []),
    )

    assert pinned_requirements("app[serve]", find) == "app==1.0\nloop-x==0.3\nserver==2.1\n"


def test_pins_of_something_that_is_not_installed_are_an_error() -> None:
    with pytest.raises(PackageNotFoundError):
        pinned_requirements("app", _index())


def _flight(hour: str) -> bytes:
    return json.dumps({"time_hour": f"{hour}:00:00Z"}).encode()


def test_rest_of_day_ends_with_the_day_of_the_last_flight_that_was_sent() -> None:
    flights = [_flight(hour) for hour in ("2013-02-15T22", "2013-02-15T23", "2013-02-15T23", "2013-02-16T00")]

    assert list(_rest_of_day(flights, 2)) == [flights[2]]
    assert list(_rest_of_day(flights, 3)) == []
    assert list(_rest_of_day(flights, 4)) == []
    assert list(_rest_of_day(flights, 0)) == []


def test_programs_get_our_tools_first_and_nothing_of_a_ci_job() -> None:
    env = {
        "PATH": "/usr/bin",
        "HOME": "/h",
        "CI": "1",
        "GITHUB_ACTIONS": "true",
        "GIT_DIR": "/x",
        "GRAPHSHIP_EVENT": "push",
    }

    workspace = open_workspace(Path("/demo"), env)

    assert workspace.env["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    assert workspace.env["HOME"] == "/h"
    assert workspace.env["GRAPHSHIP_STATE_DIR"] == "/demo/state"
    assert not {"CI", "GITHUB_ACTIONS", "GIT_DIR", "GRAPHSHIP_EVENT"} & workspace.env.keys()


def test_template_has_the_lines_that_the_demo_replaces() -> None:
    assert "path: /feeds/flights/labels.parquet," in (TEMPLATE / "graphship.yaml").read_text("utf-8")
    assert "trees: 20 " in (TEMPLATE / "params.yaml").read_text("utf-8").replace("\n", " ")
