import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["commands.md", "errors.md", "exit-codes.md", "graph-yaml.md"])
def test_the_reference_page_says_what_the_code_says(page: str) -> None:
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")

    assert written == _generator().PAGES[page](), "run `make docs`"
