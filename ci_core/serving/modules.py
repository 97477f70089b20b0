"""Import a project's own modules without leaving traces, and turn what goes wrong into errors.

Two checkouts of one project (a change request's base and head) have modules of the same names. Each loaded project
keeps its modules here; they are in ``sys.modules`` only while it is active. A serving process, which knows one project
only, makes it active for good.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphCodeError, GraphshipError, UnknownFunctionError, UnknownModuleError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

_OURS = __name__.partition(".")[0]
_OUR_FOLDER = Path(__file__).resolve().parents[1]
_SHOWN_FRAMES = 10


class ProjectModules:
    """The modules of one project.

    Args:
        root: folder that imports and relative paths of the project's code start from.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._modules: dict[str, ModuleType] = {}
        self._depth = 0

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Make the project's code importable and its folder the working directory, for the time of the block.

        Changes the whole process; not for use from several threads.
        """
        self._depth += 1
        if self._depth > 1:
            try:
                yield
            finally:
                self._depth -= 1
            return
        path, writes_no_bytecode, before = list(sys.path), sys.dont_write_bytecode, set(sys.modules)
        sys.dont_write_bytecode = True  # a run must not make the user's checkout dirty
        hidden = self._hide_namesakes()
        before -= set(hidden)
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        try:
            with contextlib.chdir(self.root):
                yield
        finally:
            self._depth -= 1
            sys.path[:] = path
            sys.dont_write_bytecode = writes_no_bytecode
            new = [(name, module) for name, module in sys.modules.items() if name not in before]
            self._modules = {name: module for name, module in new if self._owns(name, module)}
            for name in self._modules:
                del sys.modules[name]
            sys.modules.update(hidden)

    def settle(self) -> None:
        """Make the project's code importable and its folder the working directory for the rest of the process."""
        hidden = self._hide_namesakes()
        # what is of this very checkout stays: it may be the module that calls us while it is being imported
        sys.modules.update({name: module for name, module in hidden.items() if self._owns(name, module)})
        sys.modules.update(self._modules)
        sys.path.insert(0, str(self.root))
        os.chdir(self.root)

    def _hide_namesakes(self) -> dict[str, ModuleType]:
        """Take modules out of ``sys.modules`` that came from another checkout and would stand in for ours."""
        names = {entry.stem for entry in self.root.iterdir() if entry.is_dir() or entry.suffix == ".py"} - {_OURS}
        names -= sys.stdlib_module_names
        hidden = {
            name: module
            for name, module in sys.modules.items()
            if name.partition(".")[0] in names and "site-packages" not in str(_location(module))
        }
        for name in hidden:
            del sys.modules[name]
        return hidden

    def _owns(self, name: str, module: ModuleType) -> bool:
        location = _location(module)
        return (
            location is not None
            and name.partition(".")[0] not in {_OURS, "__main__"}
            and location.is_relative_to(self.root)
            and "site-packages" not in location.parts
        )

    def import_file(self, path: str) -> ModuleType:
        """Import a file of the project as the module that the project's code knows it as.

        Raises:
            GraphCodeError: it raised.
        """
        parts = Path(path).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            return self._import(".".join(parts), f"`{path}`")
        spec = importlib.util.spec_from_file_location(f"graphship_file_{abs(hash(path))}", self.root / path)
        if spec is None or spec.loader is None:
            raise ImportError(path)
        module = importlib.util.module_from_spec(spec)
        with _as_graph_code_error(f"`{path}`", self.root):
            spec.loader.exec_module(module)
        return module

    def resolve(self, step: str, reference: str) -> Any:
        """Return what ``module:name`` stands for; `name` may have dots.

        Raises:
            UnknownModuleError: there is no such module.
            UnknownFunctionError: the module does not define the name.
            GraphCodeError: the module raised when it was imported.
        """
        module_name, _, name = reference.partition(":")
        if not all(part.isidentifier() for part in module_name.split(".")):
            raise self._unknown_module(step, reference, module_name)
        try:
            module = self._import(module_name, f"the module of step `{step}`")
        except ModuleNotFoundError:
            raise self._unknown_module(step, reference, module_name) from None
        found: Any = module
        for part in name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                raise UnknownFunctionError(
                    step=step,
                    reference=reference,
                    name=name,
                    file=self._shown(module),
                    known_names=_public_names(module),
                ) from None
        return found

    def _import(self, name: str, what: str) -> ModuleType:
        with _as_graph_code_error(what, self.root, missing=name):
            return importlib.import_module(name)

    def _unknown_module(self, step: str, reference: str, module: str) -> UnknownModuleError:
        folder = self.root.joinpath(*module.split(".")[:-1])
        shown = folder.relative_to(self.root).as_posix() if folder.is_dir() else "."
        folder = folder if folder.is_dir() else self.root
        prefix = "" if shown == "." else shown.replace("/", ".") + "."
        names = sorted(f"{prefix}{file.stem}" for file in folder.glob("*.py") if file.stem != "__init__")
        return UnknownModuleError(step=step, reference=reference, module=module, known_names=names, where=shown)

    def _shown(self, module: ModuleType) -> str:
        location = _location(module)
        if location is None:
            return module.__name__
        return location.relative_to(self.root).as_posix() if location.is_relative_to(self.root) else str(location)


def _location(module: ModuleType) -> Path | None:
    """Return the file of a module, or the folder of a namespace package."""
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        return Path(file).resolve()
    folders = [entry for entry in getattr(module, "__path__", ()) if isinstance(entry, str)]
    return Path(folders[0]).resolve() if folders else None


def _public_names(module: ModuleType) -> list[str]:
    return sorted(name for name, value in vars(module).items() if not name.startswith("_") and callable(value))


@contextlib.contextmanager
def _as_graph_code_error(what: str, root: Path, *, missing: str | None = None) -> Iterator[None]:
    """Turn an exception of the user's code into a :class:`GraphCodeError`.

    Args:
        what: begins the sentence: ``the module of step `x```.
        root: frames of files below it are shown.
        missing: let a ModuleNotFoundError for this module, or a package it lies in, pass.
    """
    try:
        yield
    except GraphshipError as error:
        # the author wrote what cannot be; it needs no traceback, only the line
        places = _places(error, root)
        if places:
            error.found_at(places[-1])
        raise
    except ModuleNotFoundError as error:
        if missing is not None and error.name is not None and f"{missing}.".startswith(f"{error.name}."):
            raise
        raise graph_code_error(what, error, root) from error
    except (Exception, SystemExit) as error:
        raise graph_code_error(what, error, root) from error


def _frames(error: BaseException, root: Path) -> list[traceback.FrameSummary]:
    """Return the frames of a traceback that are the user's own, and not those of packages installed below `root`."""
    found: list[traceback.FrameSummary] = []
    for frame in traceback.extract_tb(error.__traceback__):
        file = Path(frame.filename)
        if not file.is_absolute():
            continue
        file = file.resolve()
        if file.is_relative_to(root) and "site-packages" not in file.parts and not file.is_relative_to(_OUR_FOLDER):
            found.append(frame)
    return found


def _places(error: BaseException, root: Path) -> list[str]:
    return [
        f"{Path(frame.filename).resolve().relative_to(root).as_posix()}:{frame.lineno}"
        for frame in _frames(error, root)
    ]


def graph_code_error(what: str, error: BaseException, root: Path) -> GraphCodeError:
    """Return the error that tells of an exception in the user's code, with the user's own lines of the traceback."""
    frames = _frames(error, root)
    places = _places(error, root)
    trace = [f"{place}, in {frame.name}: {frame.line}" for place, frame in zip(places, frames, strict=True)][
        -_SHOWN_FRAMES:
    ]
    if isinstance(error, SyntaxError) and error.filename is not None:
        file = Path(error.filename)
        shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)
        places.append(f"{shown}:{error.lineno}")
    text = str(error)
    exception = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return GraphCodeError(
        what=what,
        exception=exception,
        where=places[-1] if places else str(root),
        trace=trace,
        missing_module=error.name if isinstance(error, ModuleNotFoundError) else None,
    )
