"""How large functions and modules may get: what a reader can hold in the head."""

import ast
from pathlib import Path
from statistics import median

import pytest

import skfedmtl

PACKAGE = Path(skfedmtl.__file__).parent
SOURCES = {
    file.relative_to(PACKAGE).as_posix(): file.read_text(encoding="utf-8")
    for file in sorted(PACKAGE.rglob("*.py"))
}

MOST_BRANCHES = 12  #: of a function: its cyclomatic complexity
MOST_LOCALS = 12  #: names of a solver's function, beside its arguments
MOST_LINES, MEDIAN_LINES = 450, 160  #: of a module

#: Where to count is silly, or not yet to be changed; an entry that is no longer needed fails.
BRANCHY: set[str] = set()
MANY_LOCALS = {
    "_solvers/bundle.py:_central_step",  # weights, slacks, multipliers, and the step of each
    "_solvers/bundle.py:_newton",  # the step, its promise and its floor, judged by each other
}
LONG: set[str] = set()

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.While,
    ast.ExceptHandler,
    ast.Assert,
    ast.match_case,
)
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def functions():
    """Every function by its file and name."""
    for path, text in SOURCES.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path}:{node.name}", node


def own_nodes(function, beyond=()):
    """What a function is made of, without the functions in it, nor what is `beyond`."""
    waiting = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, SCOPES + tuple(beyond)):
            waiting += ast.iter_child_nodes(node)


def branch_points(function):
    """One, and one more for each place where it may go two ways."""
    count = 1
    for node in own_nodes(function):
        if isinstance(node, ast.BoolOp):
            count += len(node.values) - 1
        elif isinstance(node, ast.comprehension):
            count += len(node.ifs)
        else:
            count += isinstance(node, BRANCHES)
    return count


def local_names(function):
    """The names it assigns; those of a comprehension are known in there only."""
    named = ast.walk(function.args)
    arguments = {node.arg for node in named if isinstance(node, ast.arg)}
    names = set()
    for node in own_nodes(function, COMPREHENSIONS):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef):
            names.add(node.name)
    return names - arguments


def too_many(counts, most):
    """Those above, and how many they have."""
    return {name: count for name, count in counts if count > most}


def test_functions_branch_little():
    found = too_many(((name, branch_points(node)) for name, node in functions()), MOST_BRANCHES)
    assert found.keys() == BRANCHY, found


def test_solvers_name_little():
    counts = ((name, len(local_names(node))) for name, node in functions())
    found = too_many((pair for pair in counts if pair[0].startswith("_solvers/")), MOST_LOCALS)
    assert found.keys() == MANY_LOCALS, found


def test_modules_are_short():
    lines = {path: text.count("\n") for path, text in SOURCES.items()}
    found = too_many(lines.items(), MOST_LINES)
    assert found.keys() == LONG, found
    assert median(lines.values()) < MEDIAN_LINES


@pytest.mark.parametrize(
    ("text", "branches", "names"),
    [
        ("def f(a): return a", 1, set()),
        ("def f(a):\n  if a and a or a: b = 1", 4, {"b"}),
        ("def f(a): return [b for b in a if b if a]", 3, set()),
        ("def f(a):\n  for b, (c, *d) in a: a = b if c else d", 3, {"b", "c", "d"}),
        ("def f(a):\n  try: b()\n  except E: a = [0]\n  while a: assert a", 4, set()),
        ("def f(*a, **b):\n  def g(c):\n    if c: d = c\n  return g", 1, {"g"}),
        ("def f(a):\n  if (b := a): a.c = a[b] = lambda x: x if x else a", 2, {"b"}),
    ],
)
def test_the_counts(text, branches, names):
    (function,) = ast.parse(text).body
    assert branch_points(function) == branches
    assert local_names(function) == names
