"""One of the two graphs: the process that runs it, asked, timed, and started again when a request ends it.

The other end is ``worker.py``. Nothing of the graph's code runs here, and nothing is unpickled: JSON comes back.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from ci_core import _process
from ci_core.behaviour.answers import Answer
from ci_core.behaviour.conversation import Conversation, LateError, ReplyError
from ci_core.errors import ExitCode, GraphshipError
from ci_core.serving.spec import GraphSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOAD_S: Final = 120.0
"""For the graph's code to be imported, and again for its models to be loaded."""
REQUEST_S: Final = 10.0
"""For one answer; what takes longer is taken for hanging."""
PASS_S: Final = 60.0
"""For all answers of one pass; requests that do not come to it are not compared."""
MOST_STARTS: Final = 4
"""Of one side: requests that hang or end the process cost a start each, and after the third the others are not sent."""


class SideFailedError(Exception):
    """The graph cannot answer; `reason` is a sentence, and `slug` tells our own errors apart.

    It is the fault of the graph's code, or, by `exit_code`, of a graph that makes no sense.
    """

    def __init__(self, reason: str, *, slug: str = "", exit_code: ExitCode = ExitCode.USER_CODE) -> None:
        super().__init__(reason)
        self.reason, self.slug, self.exit_code = reason, slug, exit_code


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a graph is, and what runs it."""

    root: Path
    """The project's folder of that commit."""
    graph: str
    """As ``graphship.yaml`` of that commit names it."""
    time_column: str | None
    env: Mapping[str, str]
    moved: tuple[Path, Path] | None
    """The work tree and the folder that stands for it; None for the work tree itself."""


@dataclass(slots=True, kw_only=True)
class Answers:
    """What one pass over the requests gave."""

    answers: list[Answer | None]
    """None for a request that was not sent."""
    seconds: dict[int, float] = field(default_factory=dict)
    """Number of the request → how long it took."""


class Side:
    """A graph that answers in a process of its own; a context manager that ends it.

    Args:
        name: for messages.
        place: of the graph.
        scratch: an empty folder for what the process needs to be given.
    """

    def __init__(self, name: Literal["base", "head"], place: Place, scratch: Path) -> None:
        self.name, self._place, self._scratch = name, place, scratch
        self.needs: tuple[str, ...] = ()
        """Models and data files that the graph names."""
        self.graph: GraphSpec | None = None
        self.columns: tuple[str, ...] | None = None
        """Of a plain request; None when nobody says."""
        self.remote: tuple[str, ...] = ()
        """Steps that call another service."""
        self.peak_bytes: int | None = None
        self.notes: list[str] = []
        """What went wrong and did not keep it from answering: ends of "the head's graph …"."""
        self._process = contextlib.ExitStack()
        self._conversation: Conversation | None = None
        self._process_id: int | None = None
        self._starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """End the process and all it started."""
        self._conversation = self._process_id = None
        self._process.close()

    # --- loading: each in two halves, so that both sides do it at the same time ---

    def begin(self) -> None:
        """Start the process, which looks what the graph names."""
        self._starts += 1
        home, log = self._scratch / "home", self._scratch / "log"
        home.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        command = [sys.executable, "-m", "ci_core.behaviour"]
        process = self._process.enter_context(
            _process.companion(command, cwd=home, env={**self._place.env, "HOME": str(home)}, log=log)
        )
        self._conversation, self._process_id = Conversation(process, log), process.pid
        moved = [str(folder) for folder in self._place.moved] if self._place.moved else None
        self._tell(do="load", root=str(self._place.root), graph=self._place.graph, moved=moved)

    def look(self) -> None:
        """Wait until it is known what the graph names.

        Raises:
            SideFailedError: its code cannot be loaded.
        """
        reply = self._loaded("load")
        self.needs = tuple(str(path) for path in reply["needs"])
        try:
            self.graph = GraphSpec.from_dict(reply["graph"]) if reply["graph"] else None
        except GraphshipError:  # what the project's own code says of itself
            self.graph = None

    def compile(self) -> None:
        """Let the graph load its models, which must be there now."""
        self._tell(do="compile", graph=self._place.graph, **{"time-column": self._place.time_column})

    def ready(self) -> None:
        """Wait until the graph can answer.

        Raises:
            SideFailedError: it cannot.
        """
        reply = self._loaded("compile")
        columns = reply["columns"]
        self.remote = tuple(str(step) for step in reply["remote"])
        self.columns = None if columns is None else tuple(str(column) for column in columns)

    def _loaded(self, key: str) -> dict[str, Any]:
        try:
            reply = self._hear(LOAD_S)
        except ReplyError as error:
            self.end()
            raise SideFailedError(f"the {self.name}'s graph cannot be loaded: its process {error.reason}") from error
        if ("needs" if key == "load" else "columns") not in reply:
            self.end()
            told = f"the {self.name}'s graph cannot be loaded: {self._sentence(reply)}"
            code = ExitCode.USAGE if reply.get("exit-code") == ExitCode.USAGE else ExitCode.USER_CODE
            raise SideFailedError(told, slug=str(reply.get("slug", "")), exit_code=code)
        return reply

    def _sentence(self, reply: Mapping[str, Any]) -> str:
        fact = str(reply.get("error"))
        known = (str(self._place.root), fact)
        where = [str(place) for place in reply.get("where") or () if not any(str(place) in text for text in known)]
        told = fact + (f" ({', '.join(where)})" if where else "")
        hint = f" ({reply['hint']})" if reply.get("hint") else ""
        return (told + hint).replace(f"{self._place.root}/", "")

    # --- answering ---

    def answer(self, requests: Sequence[Mapping[str, Any]]) -> Answers:
        """Send all requests, one after the other; one that hangs or ends the process is a failed one."""
        file = self._scratch / "requests.json"
        file.write_text(json.dumps(requests), encoding="utf-8")
        found = Answers(answers=[None] * len(requests))
        deadline = time.monotonic() + PASS_S
        while (first := _first_unasked(found.answers)) is not None:
            if time.monotonic() > deadline:
                self._note(
                    f"answered {first} of {len(requests)} requests within {PASS_S:.3g} s; the others were not sent"
                )
                break
            if not self._is_running(len(requests) - first):
                break
            self._tell(do="answer", requests=str(file), **{"from": first})
            self._collect(found, first, deadline)
        return found

    def _is_running(self, left: int) -> bool:
        """Make sure that there is a process; return False when it was started often enough."""
        if self._conversation is not None:
            return True
        if self._starts >= MOST_STARTS:
            self._note(f"was started {MOST_STARTS} times; {left} requests were not sent")
            return False
        try:
            self.begin()
            self.look()
            self.compile()
            self.ready()
        except SideFailedError as error:
            self._note(f"could not be started again, so {left} requests were not sent: {error.reason}")
            return False
        return True

    def _collect(self, found: Answers, first: int, deadline: float) -> None:
        """Take answers until all are there, the time is over, or the process hangs or ends."""
        number = first
        try:
            while not (reply := self._hear(REQUEST_S)).get("done"):
                number = int(reply["number"])
                found.answers[number] = _answer_in(reply)
                found.seconds[number] = float(reply["seconds"])
                number += 1
                if time.monotonic() > deadline and number < len(found.answers):
                    self.end()
                    return
            self.peak_bytes = max(self.peak_bytes or 0, int(reply["peak-bytes"]))
            self._tell_foreign(reply["foreign"])
        except (ReplyError, KeyError, TypeError, ValueError, IndexError) as error:
            how = error.reason if isinstance(error, ReplyError) else "said something that is no reply"
            if number < len(found.answers):
                found.answers[number] = Answer(status=None, body=f"no answer: the process {how}")
            verb = "hung" if isinstance(error, LateError) else "ended"
            self._note(f"{verb} at request {number + 1}: its process {how}")
            self.end()

    def time(self, numbers: Sequence[int], *, within_s: float) -> list[float]:
        """Return how long the requests of these numbers take, one after the other, in seconds.

        Raises:
            SideFailedError: the process hangs or ended.
        """
        self._tell(do="time", numbers=list(numbers))
        try:
            return [float(seconds) for seconds in self._hear(within_s)["seconds"]]
        except (ReplyError, KeyError, TypeError, ValueError) as error:
            self.end()
            reason = error.reason if isinstance(error, ReplyError) else "said something that is no reply"
            raise SideFailedError(f"the {self.name}'s graph could not be timed: its process {reason}") from error

    def stay_on(self, processor: int) -> None:
        """Let the thread that answers run on one processor only; threads of libraries stay where they are."""
        if self._process_id is not None:
            with contextlib.suppress(OSError):
                os.sched_setaffinity(self._process_id, {processor})

    @property
    def was_started_again(self) -> bool:
        """Whether a request hung or ended the process."""
        return self._starts > 1

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._conversation is not None

    def _tell_foreign(self, modules: Sequence[object]) -> None:
        if modules:
            names = ", ".join(f"`{name}`" for name in modules[:3]) + (", …" if len(modules) > 3 else "")  # noqa: PLR2004
            self._note(
                f"imports {names} from the work tree, not from its own commit: is a package installed from there?"
            )

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _tell(self, **order: object) -> None:
        if self._conversation is not None:
            self._conversation.tell(**order)

    def _hear(self, within_s: float) -> dict[str, Any]:
        if self._conversation is None:
            raise ReplyError("is not running")
        return self._conversation.hear(within_s)


def _first_unasked(answers: Sequence[Answer | None]) -> int | None:
    return next((number for number, answer in enumerate(answers) if answer is None), None)


def _answer_in(reply: Mapping[str, Any]) -> Answer:
    text, is_whole = str(reply["body"]), bool(reply["whole"])
    digest = str(reply["sha256"])
    if not is_whole:
        shown = f"{text}… ({int(reply['bytes']):,} bytes)"
        return Answer(status=int(reply["status"]), body=shown, digest=digest, is_whole=False)
    try:
        body = json.loads(text) if text else None
    except (ValueError, RecursionError):
        body = text
    return Answer(status=int(reply["status"]), body=body, digest=digest)
