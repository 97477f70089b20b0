"""CPU time of ``graphship --help`` beside a bare click group that prints the same text.

Run: ``python -m bench help``. Each is a fresh interpreter: user + system time, median of 31 interleaved runs.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 31

_BARE = """
import click

@click.group(epilog={epilog!r}, context_settings={{"help_option_names": ["-h", "--help"]}})
@click.version_option("0", prog_name="graphship")
@click.option("--debug", is_flag=True, help="Show tracebacks of errors.")
def cli(debug):
    {doc!r}

for name, text in {commands!r}.items():
    cli.add_command(click.Command(name, short_help=text, callback=lambda: None))
cli.main(prog_name="graphship")
"""


def cpu_s(arguments: list[str]) -> float:
    """Return user + system seconds of one child process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def main() -> None:
    from ci_core.cli import _COMMANDS, cli

    ours = [str(Path(sys.executable).with_name("graphship")), "--help"]
    with tempfile.TemporaryDirectory() as folder:
        bare_script = Path(folder) / "bare.py"
        bare_script.write_text(_BARE.format(epilog=cli.epilog, doc=cli.help, commands=_COMMANDS))
        bare = [sys.executable, str(bare_script), "--help"]
        times: dict[str, list[float]] = {"graphship": [], "bare click": []}
        for _ in range(ROUNDS):
            times["graphship"].append(cpu_s(ours))
            times["bare click"].append(cpu_s(bare))
    median = {name: statistics.median(values) for name, values in times.items()}
    for name, value in median.items():
        print(f"{name:12} {value * 1e3:7.1f} ms CPU (median of {ROUNDS})")
    print(f"ratio        {median['graphship'] / median['bare click']:.2f} (goal: at most 1.4)")


if __name__ == "__main__":
    main()
