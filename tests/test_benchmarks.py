"""Scripts beside the package import what it has, private names included."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted(
    path for folder in ("benchmarks", "docs") for path in (ROOT / folder).rglob("*.py")
)


def imported(path):
    """Pairs of a module of the package and a name that is taken from it."""
    for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        module = getattr(statement, "module", None) or ""
        if isinstance(statement, ast.ImportFrom) and module.split(".")[0] == "skfedmtl":
            for alias in statement.names:
                yield module, alias.name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_names_that_a_script_imports_exist(path):
    for module, name in imported(path):
        home = importlib.import_module(module)
        if not hasattr(home, name):
            importlib.import_module(f"{module}.{name}")
