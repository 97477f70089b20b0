from __future__ import annotations

import shutil
from importlib.metadata import EntryPoint
from types import MappingProxyType

import pytest

from ci_core.errors import InvalidPluginError, UnknownNameError
from ci_core.registry import TARGETS, Registry


def registry(*points: EntryPoint) -> Registry:
    return Registry(
        kind="target",
        group="graphship.targets",
        built_in=MappingProxyType({"local": "shutil:copy"}),
        installed=lambda group: [point for point in points if point.group == group],
    )


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=value, group="graphship.targets")


def test_a_built_in_adapter_is_found_by_its_name() -> None:
    assert registry().load("local") is shutil.copy


def test_an_adapter_of_another_package_is_found_beside_the_built_in_ones() -> None:
    boats = registry(point("boat", "shutil:move"))

    assert boats.names() == ("boat", "local")
    assert boats.load("boat") is shutil.move


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError) as caught:
        registry().load("locl", where="graphship.yaml:3")

    assert caught.value.fact == "there is no target `locl`"
    assert caught.value.hint == "did you mean `local`?"
    assert caught.value.where == ("graphship.yaml:3",)


def test_a_package_cannot_replace_a_built_in_adapter() -> None:
    with pytest.raises(InvalidPluginError, match="`shutil:copy` has that name already"):
        registry(point("local", "evil:Target")).names()


def test_a_package_that_cannot_be_imported_is_named() -> None:
    with pytest.raises(InvalidPluginError, match="No module named 'no_such_module'"):
        registry(point("boat", "no_such_module:Boat")).load("boat")


def test_an_adapter_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(InvalidPluginError, match="it is not a class or a function"):
        registry(point("boat", "shutil:__name__")).load("boat")


def test_the_local_target_is_built_in() -> None:
    assert "local" in TARGETS.names()
