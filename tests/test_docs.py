"""Every public object has a page, a sound docstring, and an example that runs in the doctests."""

import importlib
import inspect
from pathlib import Path

import pytest
from numpydoc.validate import validate

DOCS = Path(__file__).parents[1] / "docs"
MODULES = (
    "skfedmtl",
    "skfedmtl.attack",
    "skfedmtl.datasets",
    "skfedmtl.defense",
    "skfedmtl.federation",
    "skfedmtl.federation.flower",
    "skfedmtl.inspection",
    "skfedmtl.metrics",
    "skfedmtl.model_selection",
    "skfedmtl.protocols",
    "skfedmtl.relationships",
    "skfedmtl.report",
    "skfedmtl.testing",
)
#: what numpydoc finds missing, and may be: longer summaries, see-also lists, examples of methods,
#: names of returned values; or what numpydoc 1.8 alone does, a summary on a line of its own
MAY_LACK = {"ES01", "SA01", "EX01", "RT02", "GL01"}
PUBLIC = [(module, name) for module in MODULES for name in importlib.import_module(module).__all__]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_a_page_and_an_example(module, name):
    thing = getattr(importlib.import_module(module), name)
    pages = "".join(page.read_text(encoding="utf-8") for page in (DOCS / "api").glob("*.rst"))
    listed = {line.strip().rpartition(".")[2] for line in pages.splitlines()}
    assert name in listed, "no page in docs/api"
    documented = thing if callable(thing) and hasattr(thing, "__name__") else type(thing)
    assert ">>>" in inspect.getdoc(documented), "no example"


def documented():
    """Names of the public objects, and of their public methods."""
    for module, name in PUBLIC:
        thing = getattr(importlib.import_module(module), name)
        if not callable(thing) or not hasattr(thing, "__name__"):
            continue
        yield f"{module}.{name}"
        if isinstance(thing, type):
            own = [key for key, value in vars(thing).items() if inspect.isfunction(value)]
            yield from (f"{module}.{name}.{key}" for key in own if not key.startswith("_"))


@pytest.mark.parametrize("name", list(documented()))
def test_numpydoc_finds_nothing_wrong(name):
    errors = [error for error in validate(name)["errors"] if error[0] not in MAY_LACK]
    assert not errors
