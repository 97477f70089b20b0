"""Every example of the documentation runs, or names commands and options that exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import yaml
from markdown_it import MarkdownIt

from ci_core.cli import cli

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
            # a file of a guide has a place among others: tests/e2e/docs follows the whole guide
            if token.type == "fence" and token.info.split()[:1] == [language] and "file=" not in token.info:
                assert token.map is not None
                yield f"{page.relative_to(ROOT)}:{token.map[0] + 1}", token.content


def _commands() -> Iterator[tuple[str, list[str]]]:
    for place, block in _blocks("sh"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["graphship"]:
                yield place, words[1:]


@pytest.mark.parametrize(("place", "code"), list(_blocks("python")), ids=lambda value: value.partition("\n")[0])
def test_a_python_example_runs(place: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    exec(compile(code, place, "exec"), {"__name__": "example"})


@pytest.mark.parametrize(("place", "text"), list(_blocks("yaml")), ids=lambda value: value.partition("\n")[0])
def test_a_yaml_example_is_yaml(place: str, text: str) -> None:
    assert yaml.safe_load(text) is not None, place


@pytest.mark.parametrize(("place", "words"), list(_commands()), ids=str)
def test_a_command_in_an_example_exists_with_its_options(place: str, words: list[str]) -> None:
    command: click.Command = cli
    context = click.Context(cli, info_name="graphship", help_option_names=["-h", "--help"])
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"{place}: no command {words[0]}"
        command, context = found, click.Context(found, info_name=words[0], parent=context)
        words = words[1:]

    command.make_parser(context).parse_args(list(words))


def test_every_page_is_reachable_and_every_link_between_pages_leads_somewhere() -> None:
    linked = set()
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            assert path.exists(), f"{page.relative_to(ROOT)} links to {target}"
            linked.add(path)

    assert {page for page in PAGES if page not in linked} == {ROOT / "README.md"}


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    as_code = re.compile(r"`make ([a-z]+)`|^make ([a-z]+)", re.MULTILINE)
    named = {one or other for page in PAGES for one, other in as_code.findall(page.read_text(encoding="utf-8"))}

    assert {"demo", "test"} <= named <= targets
