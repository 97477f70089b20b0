"""Name everything that a pickled file would import when it is loaded, without importing or making anything.

The operations of a pickle are followed on a stack of stand-ins, as far as it takes to know the two texts that each
import is made of, and where joblib puts the raw bytes of an array between them. A scan that stops at those bytes sees
the first array of a model and nothing behind it.
"""

from __future__ import annotations

import contextlib
import math
import pickletools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MOST_OPERATIONS: Final = 5_000_000
"""Some twenty seconds' work; a forest of a thousand trees has a tenth of a million."""

UNKNOWN: Final = ("unknown", "unknown")
"""A name that is computed while the file is loaded, as nobody does who has nothing to hide."""

_ARRAY: Final = ("joblib.numpy_pickle", "NumpyArrayWrapper")
_STATE: Final = frozenset({"dtype", "shape", "numpy_array_alignment_bytes"})
_REGISTERED: Final = frozenset({"EXT1", "EXT2", "EXT4"})


class UnreadablePickleError(Exception):
    """A file is no pickle, or is not one to its end; caught by ``pickle_files.py``."""


@dataclass(slots=True)
class Names:
    """What was found in one file."""

    imports: set[tuple[str, str]] = field(default_factory=set)
    """Module and name."""
    problem: str | None = None
    """Why the first pickle of the file was not followed to its end."""


@dataclass(slots=True)
class _Made:
    """Stands for what a call or an import would have made."""

    name: tuple[str, str] | None = None
    arguments: Any = None
    state: Any = None


class _Mark:
    """Stands for the mark that begins a group on the stack."""


_MARK: Final = _Mark()


def names_in(file: BinaryIO, *, most_operations: int = MOST_OPERATIONS) -> Names:
    """Return what `file`, read from its start, would import.

    A file may hold several pickles, one after the other; bytes after the first that are no pickle are no matter, since
    nothing loads them. Where arrays of joblib are met, the file is read a second time as plain pickle does, which does
    not skip their bytes: what is hidden from one is seen by the other.
    """
    found, count, has_arrays = Names(), 0, False
    file.seek(0)
    while found.problem is None and (rest := _has_more(file)):
        machine = _Machine(file, found.imports, most_operations, skips_arrays=True)
        try:
            most_operations -= machine.run()
        except UnreadablePickleError as error:
            found.problem = str(error)
            rest = False
        has_arrays = has_arrays or machine.has_arrays
        count += rest
    if count:
        found.problem = None
    elif found.problem is None:
        found.problem = "it is empty"
    if has_arrays:
        found.imports |= _plain_imports(file, most_operations)
    return found


def _has_more(file: BinaryIO) -> bool:
    place = file.tell()
    has_more = bool(file.read(1))
    file.seek(place)
    return has_more


def _plain_imports(file: BinaryIO, most_operations: int) -> set[tuple[str, str]]:
    """Return what the first pickle imports when the bytes of arrays are taken for operations."""
    imports: set[tuple[str, str]] = set()
    file.seek(0)
    with contextlib.suppress(UnreadablePickleError):  # as a rule: the bytes are numbers
        _Machine(file, imports, most_operations, skips_arrays=False).run()
    return imports - {UNKNOWN}  # numbers can look like one, and an array of objects read this way does


class _Machine:
    """Follows one pickle."""

    def __init__(
        self, file: BinaryIO, imports: set[tuple[str, str]], most_operations: int, *, skips_arrays: bool
    ) -> None:
        self._file, self._imports, self._most, self._skips_arrays = file, imports, most_operations, skips_arrays
        self.has_arrays = False
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> int:
        """Follow the pickle to its end and return how many operations it has."""
        count = 0
        try:
            for operation, argument, _position in pickletools.genops(self._file):
                count += 1
                if count > self._most:
                    raise UnreadablePickleError("it holds too many objects to be looked through")
                self._do(operation, argument)
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError, MemoryError) as error:
            # what `pickletools` and the stack say of bytes that are no pickle
            raise UnreadablePickleError("it cannot be read as a pickle to its end") from error
        return count

    def _do(self, operation: pickletools.OpcodeInfo, argument: Any) -> None:
        name = operation.name
        special = _SPECIAL.get(name)
        if special is not None:
            special(self, argument)
        elif name in _REGISTERED:
            self._imports.add(UNKNOWN)
            self._stack.append(_Made())
        else:
            self._plain(operation, argument)

    def _plain(self, operation: pickletools.OpcodeInfo, argument: Any) -> None:
        """Do what the table of operations says: take so many things, put so many."""
        taken = operation.stack_before
        if pickletools.markobject in taken:
            self._to_mark()
            taken = taken[: taken.index(pickletools.markobject)]
        for _ in taken:
            self._stack.pop()
        for kind in operation.stack_after:
            if kind is pickletools.markobject:
                self._stack.append(_MARK)
            elif isinstance(argument, str | int):
                self._stack.append(argument)
            else:
                self._stack.append(_Made())

    def _to_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    # --- operations that matter ---

    def global_(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._imports.add((module, name))
        self._stack.append(_Made(name=(module, name)))

    def instance(self, argument: str) -> None:
        self._to_mark()
        self.global_(argument)

    def stack_global(self, _argument: object) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        pair = (module, name) if isinstance(module, str) and isinstance(name, str) else UNKNOWN
        self._imports.add(pair)
        self._stack.append(_Made(name=pair))

    def memoize(self, _argument: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def put(self, argument: int | str) -> None:
        self._memo[int(argument)] = self._stack[-1]

    def get(self, argument: int | str) -> None:
        self._stack.append(self._memo[int(argument)])

    def duplicate(self, _argument: object) -> None:
        self._stack.append(self._stack[-1])

    def pop_mark(self, _argument: object) -> None:
        self._to_mark()

    def tuple_(self, _argument: object) -> None:
        self._stack.append(tuple(self._to_mark()))

    def short_tuple(self, count: int) -> None:
        items = [self._stack.pop() for _ in range(count)]
        self._stack.append(tuple(reversed(items)))

    def empty_dict(self, _argument: object) -> None:
        self._stack.append({})

    def set_items(self, _argument: object) -> None:
        self._fill(self._to_mark())

    def set_item(self, _argument: object) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._fill([key, value])

    def _fill(self, items: list[Any]) -> None:
        """Keep what says how long an array is. To compare keys of any kind could be made to take forever."""
        target = self._stack[-1]
        if isinstance(target, dict):
            for key, value in zip(items[::2], items[1::2], strict=True):
                if isinstance(key, str) and key in _STATE:
                    target[key] = value

    def call(self, _argument: object) -> None:
        arguments, called = self._stack.pop(), self._stack.pop()
        self._stack.append(_Made(name=called.name if isinstance(called, _Made) else None, arguments=arguments))

    def build(self, _argument: object) -> None:
        state, target = self._stack.pop(), self._stack[-1]
        if isinstance(target, _Made):
            target.state = state
            if target.name == _ARRAY and isinstance(state, dict):
                self.has_arrays = True
                if self._skips_arrays:
                    self._skip_array(state)

    def _skip_array(self, state: Mapping[str, Any]) -> None:
        """Go past the bytes of an array, whose length joblib leaves to shape and kind of the array."""
        size = _item_bytes(state.get("dtype"))
        if size is None:  # an array of objects is a pickle of its own, which comes next
            self._follow_nested()
            return
        shape = state.get("shape")
        if not isinstance(shape, tuple) or not all(isinstance(length, int) and length >= 0 for length in shape):
            raise UnreadablePickleError("it holds an array of unknown size")
        if isinstance(state.get("numpy_array_alignment_bytes"), int):
            padding = self._file.read(1)
            self._file.seek(padding[0] if padding else 0, 1)
        self._file.seek(math.prod(shape) * size, 1)

    def _follow_nested(self) -> None:
        self._most -= _Machine(self._file, self._imports, self._most, skips_arrays=True).run()


def _item_bytes(dtype: object) -> int | None:
    """Return the size of one item of an array; None for objects.

    Raises:
        UnreadablePickleError: the kind of array is none that joblib writes.
    """
    text = dtype.arguments[0] if isinstance(dtype, _Made) and dtype.arguments else None
    if isinstance(dtype, _Made) and dtype.name == ("numpy", "dtype") and isinstance(text, str):
        if text.lstrip("|=<>").startswith("O"):
            return None
        if known := re.fullmatch(r"[|=<>]?([biufcmMSVU?])(\d+)?", text):
            scale = 4 if known[1] == "U" else 1
            return int(known[2] or 1) * scale
    raise UnreadablePickleError("it holds an array of unknown kind")


_SPECIAL: Final[Mapping[str, Callable[[_Machine, Any], None]]] = {
    "GLOBAL": _Machine.global_,
    "INST": _Machine.instance,
    "STACK_GLOBAL": _Machine.stack_global,
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "DUP": _Machine.duplicate,
    "POP_MARK": _Machine.pop_mark,
    "TUPLE": _Machine.tuple_,
    "TUPLE1": lambda machine, _argument: machine.short_tuple(1),
    "TUPLE2": lambda machine, _argument: machine.short_tuple(2),
    "TUPLE3": lambda machine, _argument: machine.short_tuple(3),
    "EMPTY_TUPLE": lambda machine, _argument: machine.short_tuple(0),
    "EMPTY_DICT": _Machine.empty_dict,
    "SETITEMS": _Machine.set_items,
    "SETITEM": _Machine.set_item,
    "REDUCE": _Machine.call,
    "NEWOBJ": _Machine.call,
    "BUILD": _Machine.build,
}
