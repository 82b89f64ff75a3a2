"""Every public object has a page and an example that runs (doctests run them)."""

import importlib
import inspect
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MODULES = (
    "skfedmtl",
    "skfedmtl.attack",
    "skfedmtl.datasets",
    "skfedmtl.inspection",
    "skfedmtl.metrics",
    "skfedmtl.model_selection",
    "skfedmtl.relationships",
)
PUBLIC = [(module, name) for module in MODULES for name in importlib.import_module(module).__all__]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_page_and_an_example(module, name):
    thing = getattr(importlib.import_module(module), name)
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.rst"))
    listed = {line.strip().rpartition(".")[2] for line in pages.splitlines()}
    assert name in listed, "no page in docs/api"
    documented = thing if callable(thing) and hasattr(thing, "__name__") else type(thing)
    assert ">>>" in inspect.getdoc(documented), "no example"
