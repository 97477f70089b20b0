"""What a text may look like that names a step: the same judgement for Python and YAML."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from ci_core.errors import UnsupportedModelError, nearest, quoted
from ci_core.serving.spec import LOCAL_PREFIX
from ci_core.serving.steps import BUILT_IN

if TYPE_CHECKING:
    from collections.abc import Mapping


def mistake_in_step(text: str) -> tuple[str, str] | None:
    """Return what is wrong with the text of a step, after "which", and how to mend it; None when it may name one.

    Args:
        text: such as ``Impute``, ``module:function``, ``module:Class``.
    """
    if text in BUILT_IN or text.startswith(LOCAL_PREFIX):
        return None
    if ":" not in text:
        return "is neither `module:name` nor a built-in step", _hint_of_word(text)
    module, _, name = text.partition(":")
    if _is_dotted(module) and name:
        return None
    path = PurePosixPath(module)
    if name and path.name and path.suffix in {".py", ""} and _is_dotted(".".join(path.with_suffix("").parts)):
        meant = f"{'.'.join(path.with_suffix('').parts)}:{name}"
        return "has a module that is written as a path", f"did you mean `{meant}`?"
    return "is not of the form `module:name`", "such as `serving.features:enrich`"


_ROUTERS_OF_MLRUN: Final[Mapping[str, str]] = {
    "ModelRouter": "`Router.single({…})`; in YAML `router: single`",
    "ParallelRun": "`Router.parallel({…})`; in YAML `router: parallel`",
    "VotingEnsemble": "`Router.vote({…})` of labels, `Router.mean({…})` of numbers; in YAML `router: vote`",
}
"""Last part of a class's name → what stands for it here."""


def _hint_of_word(text: str) -> str:
    router = _ROUTERS_OF_MLRUN.get(text.lstrip("*").rpartition(".")[2])
    if router:
        return router
    close = nearest(text, BUILT_IN)
    if close:
        return f"did you mean `{close}`?"
    if _is_model(text):
        return f'a router asks models: `Router.single({{"m1": "{text}"}})`; in YAML `router: single` with `routes`'
    module, _, name = text.rpartition(".")
    if _is_dotted(module) and name.isidentifier():
        return f"did you mean `{module}:{name}`?"
    return f"built-in steps: {quoted(BUILT_IN)}"


def _is_model(text: str) -> bool:
    from ci_core.serving.models import check_suffix

    try:
        check_suffix(text)
    except UnsupportedModelError as error:
        return error.runs_code
    return True


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))
