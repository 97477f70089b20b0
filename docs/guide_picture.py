"""The picture of the guide's graph: ``docs/images/ensemble.svg``, drawn from the code that the guide shows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ci_core.serving.picture import svg

_GUIDE = Path(__file__).parent / "serving.md"
_FILE = re.compile(r"^```python file=serving/graph\.py\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def guide_picture() -> str:
    """Return the picture as the content of a file."""
    found = _FILE.search(_GUIDE.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{_GUIDE} shows no file serving/graph.py")
    module: dict[str, Any] = {"__name__": "serving.graph"}
    exec(found.group(1), module)  # noqa: S102 - our own guide, which a test runs, too
    return svg(module["graph"].spec) + "\n"
