import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(DOCS))  # whose files import each other
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = ["commands.md", "errors.md", "exit-codes.md", "graph-yaml.md", "http.md", "python.md"]


@pytest.mark.parametrize("page", PAGES)
def test_the_reference_page_says_what_the_code_says(page: str, generator: ModuleType) -> None:
    written = (DOCS / "reference" / page).read_text(encoding="utf-8")

    assert written == generator.PAGES[page](), "run `make docs`"


def test_the_picture_in_the_guide_is_of_the_graph_in_the_guide(generator: ModuleType) -> None:
    written = (DOCS / "images" / "ensemble.svg").read_text(encoding="utf-8")

    assert written == generator.PICTURES["ensemble.svg"](), "run `make docs`"
    assert "](images/ensemble.svg)" in (DOCS / "serving.md").read_text(encoding="utf-8")


def test_every_page_is_compared(generator: ModuleType) -> None:
    assert sorted(generator.PAGES) == PAGES
