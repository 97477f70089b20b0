"""``python -m ci_core.serving RELEASE_DIR``: what a pod or the local target starts.

A release folder holds ``release.json`` (the release as it was hashed) and ``bundle/`` (its archive, unpacked). The
process moves into ``bundle/``, so that relative paths mean what they meant in the project.

Nothing heavy is imported before the number of threads of the numeric libraries is set.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ci_core.errors import GraphshipError, ReleaseFolderError, TwoFunctionsError
from ci_core.serving.ending import leave
from ci_core.serving.flags import add_to, serve_options
from ci_core.serving.logs import set_up_logs

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from ci_core.serving.options import ServeOptions

QUEUE_URL = "GRAPHSHIP_QUEUE_URL"
"""No flag: the address may hold a password, and flags are seen by everyone on the machine."""
_INTERRUPTED = 128 + signal.SIGINT
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a release and return the exit code; an error of ours is told on stderr without a traceback."""
    set_up_logs()
    limit_threads(os.environ)
    try:
        return serve_release(_parser().parse_args(arguments))
    except GraphshipError as error:
        sys.stderr.write(render(error) + "\n")
        return int(error.exit_code)
    except KeyboardInterrupt:  # while it loads; a server that serves ends by it as by SIGTERM
        return _INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ci_core.serving", description="Serve a release.")
    parser.add_argument("release", type=Path, metavar="RELEASE_DIR", help="folder with release.json and bundle/")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0 is any free port (default: 8080)")
    parser.add_argument("--captures", type=Path, metavar="DIR", help="write model calls there (default: nowhere)")
    parser.add_argument(
        "--function",
        action="append",
        default=[],
        metavar="NAME[=URL]",
        help="NAME=URL: the function runs there, http://host:port or unix:/path. NAME alone: serve its steps here, and "
        "nothing else (default: one process a function, started here)",
    )
    add_to(parser)
    return parser


def limit_threads(environment: MutableMapping[str, str]) -> None:
    """Give numeric libraries one thread each, unless the user said otherwise: requests are what runs in parallel."""
    for name in _THREAD_VARIABLES:
        environment.setdefault(name, "1")


def serve_release(options: argparse.Namespace) -> int:
    """Serve the release in a folder.

    Raises:
        ReleaseFolderError: the folder holds none.
        GraphshipError: it cannot be served; see ``process.serve``.
    """
    release_id, release = read_release(options.release)
    captures = options.captures.absolute() if options.captures is not None else None
    from ci_core.serving.graph import Graph
    from ci_core.serving.process import serve, serve_function
    from ci_core.serving.spec import GraphSpec

    spec = GraphSpec.from_dict(release["graph"], file=f"{options.release}/release.json")
    bundle = (options.release / "bundle").resolve()
    os.chdir(bundle)
    sys.path.insert(0, str(bundle))
    sys.dont_write_bytecode = True  # the bundle stays what its digest says, and may be read-only
    graph, settings = Graph.from_spec(spec), _serve_options(options, release_id, release, captures)
    named = [one for one in options.function if "=" not in one]
    if len(named) > 1:
        raise TwoFunctionsError(names=named)
    return serve_function(graph, named[0], settings) if named else serve(graph, settings)


def _serve_options(
    options: argparse.Namespace, release_id: str, release: Mapping[str, Any], captures: Path | None
) -> ServeOptions:
    settings = release.get("settings", {}).get("capture", {})
    return serve_options(
        vars(options),
        host=options.host,
        port=options.port,
        release=release_id,
        captures=captures,
        capture_sample=float(settings.get("sample", 1.0)),
        time_column=settings.get("time-column"),
        environment=dict(os.environ),
        queue_url=os.environ.get(QUEUE_URL),
        functions=dict(one.split("=", 1) for one in options.function if "=" in one),
    )


def read_release(folder: Path) -> tuple[str, dict[str, Any]]:
    """Return the id and the content of the release in `folder`.

    Raises:
        ReleaseFolderError: there is none, or it is of a format this version does not know.
    """
    import hashlib

    file = folder / "release.json"
    try:
        release = json.loads(file.read_bytes())
    except OSError as error:
        raise ReleaseFolderError(folder=str(folder), reason=f"`release.json`: {error.strerror}") from error
    except ValueError as error:
        raise ReleaseFolderError(folder=str(folder), reason="`release.json` is no JSON") from error
    if not isinstance(release, dict) or release.get("format") != 1 or not isinstance(release.get("graph"), dict):
        raise ReleaseFolderError(folder=str(folder), reason="`release.json` is not a release of format 1")
    if not (folder / "bundle").is_dir():
        raise ReleaseFolderError(folder=str(folder), reason="there is no folder `bundle`")
    # the same canonical JSON that made the release's id, whatever blanks the file has
    canonical = json.dumps(release, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest(), release


def render(error: GraphshipError) -> str:
    """Return the message of an error as ``errors.py`` lays it out; the command line's renderer is not in a pod."""
    lines = [f"error[{error.slug}]: {error.fact}"]
    lines += [f"  --> {place}" for place in error.where]
    lines += [f"  {line}" for line in error.known]
    return "\n".join([*lines, "", f"hint: {error.hint}"] if error.hint else lines)


if __name__ == "__main__":
    leave(main())
