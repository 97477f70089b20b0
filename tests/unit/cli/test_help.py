import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from ci_core.cli import cli
from ci_core.cli._render import run


@pytest.mark.e2e
def test_help_imports_neither_the_commands_nor_their_libraries() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from ci_core.cli import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "ours = sorted(name for name in sys.modules if name.startswith('ci_core'))\n"
        "heavy = {'yaml', 'pydantic', 'dvc', 'git', 'duckdb', 'numpy', 'scipy', 'rich'} & set(sys.modules)\n"
        "print(ours, sorted(heavy))\n"
    )

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert printed == "['ci_core', 'ci_core.cli'] []\n"


@pytest.mark.e2e
def test_a_run_of_ci_loads_the_arithmetic_of_monitoring_only_for_projects_that_monitor() -> None:
    script = (
        "import sys\n"
        "import ci_core.operations.ci, ci_core.operations.change_request, ci_core.operations.merge\n"
        "print(sorted({'duckdb', 'numpy', 'scipy'} & set(sys.modules)))\n"
    )

    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout

    assert printed == "[]\n"


def test_help_names_the_first_command_of_the_day() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output

    assert "Start here: `graphship demo`" in text


def test_every_listed_command_exists_and_has_a_help_text() -> None:
    runner = CliRunner()
    context = cli.make_context("graphship", ["--help"], resilient_parsing=True)

    for name in cli.list_commands(context):
        result = runner.invoke(cli, [name, "--help"])

        assert result.exit_code == 0, (name, result.output)
        assert f"Usage: cli {name}" in result.output


def test_a_mistyped_command_is_told_with_the_nearest_one_and_a_strange_one_without() -> None:
    runner = CliRunner()

    mistyped, strange = runner.invoke(cli, ["deplyo", "staging"]), runner.invoke(cli, ["xyzzy"])

    assert (mistyped.exit_code, strange.exit_code) == (2, 2)
    assert mistyped.output.endswith("Error: there is no command `deplyo`; did you mean `deploy`?\n")
    assert strange.output.endswith("Error: there is no command `xyzzy`\n")


@pytest.mark.parametrize("arguments", [["serve"], ["serve", "--help"]])
def test_a_command_whose_options_need_an_extra_names_it(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "orjson", None)  # as if it were not installed

    code = run(cli, arguments, {})

    printed = capsys.readouterr().err
    assert code == 2
    assert printed.startswith("error[missing-extra]: this needs the library `orjson`, which is not installed\n")
    assert "serve" in printed.splitlines()[-1]


@pytest.mark.parametrize("name", ["diff", "promote", "register", "report", "run", "snapshot"])
def test_a_bare_installation_is_asked_once_for_all_that_a_command_needs(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = importlib.util.find_spec
    absent = {"dvc", "git", "pydantic", "rich"}
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if module in absent else found(module))
    monkeypatch.chdir(tmp_path)
    arguments = {"promote": ["staging", "production"], "register": ["churn"]}

    code = run(cli, [name, *arguments.get(name, [])], {})

    assert code == 2
    assert "[dvc]" in capsys.readouterr().err.splitlines()[-1]
