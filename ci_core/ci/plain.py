"""The console of a plain shell: indented headings on stderr, outputs and summary in files if the caller names them.

``GRAPHSHIP_OUTPUT`` names a file to which each output is appended, one line a value::

    verdict=drift

and, for a value with line breaks, between two lines with a delimiter that no value can foresee::

    report<<graphship-0c5b…
    first line
    second line
    graphship-0c5b…

``GRAPHSHIP_SUMMARY`` names a file to which the summary, Markdown, is appended.
"""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from ci_core.errors import OutputFileError
from ci_core.masking import SHAPES_ONLY, Masker, secret_values
from ci_core.printable import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ci_core.errors import Location

_OUTPUT_NAME = re.compile(r"[a-z][a-z0-9-]*")


def _random_delimiter() -> str:
    return f"graphship-{secrets.token_hex(16)}"


class PlainConsole:
    """Speaks to a person at a terminal, or to a CI system that only shows text.

    Args:
        stream: where the log goes, usually stderr: stdout belongs to data.
        output_file: where outputs are appended; None shows them in the log only.
        summary_file: where the summary is appended; None drops it.
        new_delimiter: makes the delimiter of an output with line breaks.
        mask: takes secrets out of whatever is said or written.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        output_file: Path | None = None,
        summary_file: Path | None = None,
        new_delimiter: Callable[[], str] = _random_delimiter,
        mask: Callable[[str], str] = SHAPES_ONLY.text,
    ) -> None:
        self._stream = stream
        self._output_file = output_file
        self._summary_file = summary_file
        self._new_delimiter = new_delimiter
        self._mask = mask
        self._depth = 0

    @classmethod
    def from_environment(cls, env: Mapping[str, str], stream: TextIO) -> PlainConsole:
        """Return the console for the files that environment variables name; it masks those that hold secrets."""
        output, summary = env.get("GRAPHSHIP_OUTPUT"), env.get("GRAPHSHIP_SUMMARY")
        return cls(
            stream,
            output_file=Path(output) if output else None,
            summary_file=Path(summary) if summary else None,
            mask=Masker(secret_values(env)).text,
        )

    @contextmanager
    def group(self, title: str) -> Iterator[None]:
        """Put what is said inside the ``with`` block under `title`, indented."""
        self._say(title)
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def step(self, text: str) -> None:
        """Say one thing that was done."""
        self._say(text)

    def notice(self, text: str, *, where: Location | None = None) -> None:
        """Say something that the reader should know."""
        self._say(text, "notice", where)

    def warning(self, text: str, *, where: Location | None = None) -> None:
        """Say something that the reader should look at."""
        self._say(text, "warning", where)

    def error(self, text: str, *, where: Location | None = None) -> None:
        """Say why the job fails."""
        self._say(text, "error", where)

    def output(self, name: str, value: str) -> None:
        """Set an output of the job; see the head of this file for the format.

        Raises:
            ValueError: `name` is not in kebab-case; a mistake of ours.
            OutputFileError: the file cannot be written.
        """
        if not _OUTPUT_NAME.fullmatch(name):
            raise ValueError(f"an output's name is in kebab-case, unlike {name!r}")
        value = self._mask(value)
        self._say(f"{name}: {one_line(value, max_chars=200)}")
        if self._output_file is not None:
            _append(self._output_file, "GRAPHSHIP_OUTPUT", _encoded(name, value, self._new_delimiter))

    def summary(self, markdown: str) -> None:
        """Append `markdown` to the summary's file.

        Raises:
            OutputFileError: the file cannot be written.
        """
        if self._summary_file is not None:
            _append(self._summary_file, "GRAPHSHIP_SUMMARY", self._mask(markdown).rstrip("\n") + "\n")

    def _say(self, text: str, label: str | None = None, where: Location | None = None) -> None:
        indent = "  " * self._depth
        start = f"{label}: " if label else ""
        place = f" ({one_line(str(where))})" if where is not None else ""
        first, *rest = printable(self._mask(text)).split("\n")
        lines = [f"{indent}{start}{first}{place}", *(f"{indent}{' ' * len(start)}{line}".rstrip() for line in rest)]
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()


def _encoded(name: str, value: str, new_delimiter: Callable[[], str]) -> str:
    """Return the lines of one output; a reader that splits at any kind of line break still sees one output."""
    if len(f"{value}.".splitlines()) == 1:
        return f"{name}={value}\n"
    delimiter = new_delimiter()
    while delimiter in value:
        delimiter = new_delimiter()
    return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"


def _append(path: Path, variable: str, text: str) -> None:
    try:
        with path.open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
    except OSError as error:
        raise OutputFileError(variable=variable, path=str(path), reason=error.strerror or str(error)) from error
