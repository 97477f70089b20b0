from __future__ import annotations

import pytest

from ci_core.deploy.local.options import LocalOptions
from ci_core.errors import ConfigError


def test_options_are_read_from_their_yaml_spelling() -> None:
    options = LocalOptions.from_mapping({"host": "0.0.0.0", "port": 8080, "ready-timeout": "2m", "drain-timeout": "5s"})

    assert options == LocalOptions(host="0.0.0.0", port=8080, ready_timeout_s=120, drain_timeout_s=5)


def test_nothing_said_means_loopback_and_a_free_port() -> None:
    assert LocalOptions.from_mapping({}) == LocalOptions(host="127.0.0.1", port=None)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        LocalOptions.from_mapping({"prot": 8080, "port": 99999, "ready-timeout": 5, "host": ""})

    assert [problem.hint for problem in caught.value.problems] == ["did you mean `port`?", None, None, None]
    assert caught.value.known[1] == "graphship.yaml, port: expected a port from 1 to 65535"


@pytest.mark.parametrize("port", [0, -1, True, "80", 1.5])
def test_a_port_that_is_none_is_refused(port: object) -> None:
    with pytest.raises(ConfigError):
        LocalOptions.from_mapping({"port": port})  # type: ignore[dict-item]  # what a file may hold
