"""The rooms of the package: imports look down, pass through doors, and run in no circle."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import skfedmtl
from skfedmtl._model import LOSSES

PACKAGE = Path(skfedmtl.__file__).parent

#: The rooms of every floor, from the ground up; a room may use those below, and itself.
FLOORS = (
    ("_kernels", "_tools", "_typing"),
    ("_input", "protocols"),
    ("_model", "datasets", "relationships"),
    ("_linear",),
    ("_protocol",),
    ("_solvers", "_victim"),
    ("_estimators",),
    ("attack._feasible", "defense", "federation"),
    ("attack._setting",),
    ("attack._sought",),
    ("attack._bound",),
    ("attack._bilevel",),
    ("attack._contest",),
    ("attack",),
    ("model_selection",),
    ("metrics",),
    ("inspection",),
    ("_report",),
    ("report", "_console", "testing"),
    ("",),
)
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

#: Shelves: each file is a tool of its own, taken by its name.
SHELVES = {"_kernels", "_tools"}


def modules():
    """Every module's dotted name below the package, and its file."""
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), file


MODULES = dict(modules())


def room_of(module):
    """The innermost room that a module lies in."""
    while module not in FLOOR_OF:
        module = module.rpartition(".")[0]
    return module


def imports():
    """Pairs of a module and what it imports from, both below the package."""
    for module, file in MODULES.items():
        for statement in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.ImportFrom):
                assert statement.level == 0, f"{file}: a relative import"
                names = [f"{statement.module}.{alias.name}" for alias in statement.names]
                sources = [
                    name if name.removeprefix("skfedmtl.") in MODULES else statement.module
                    for name in names
                ]
            elif isinstance(statement, ast.Import):
                sources = [alias.name for alias in statement.names]
            else:
                continue
            for name in sources:
                if name.split(".")[0] == "skfedmtl":
                    yield module, name.removeprefix("skfedmtl").removeprefix(".")


ARROWS = sorted(set(imports()))


def test_every_module_has_a_room():
    assert {module.split(".")[0] for module in MODULES} <= {room.split(".")[0] for room in FLOOR_OF}
    assert {room_of(module) for module in MODULES} == set(FLOOR_OF)


@pytest.mark.parametrize("room", FLOOR_OF)
def test_imports_look_down(room):
    upward = [
        f"{module or 'skfedmtl'} -> {source or 'skfedmtl'}"
        for module, source in ARROWS
        if room_of(module) == room != room_of(source)
        and FLOOR_OF[room_of(source)] >= FLOOR_OF[room]
    ]
    assert upward == []


def test_attacks_and_defences_meet_in_the_victim_only():
    between = [
        f"{module} -> {source}"
        for module, source in ARROWS
        if {module.split(".")[0], source.split(".")[0]} == {"attack", "defense"}
    ]
    assert between == []


@pytest.mark.parametrize("room", FLOOR_OF)
def test_other_rooms_are_entered_by_the_door(room):
    """From the room, that is, not from one of its files, unless the room hands that file out."""
    past = [
        f"{module or 'skfedmtl'} -> {source}"
        for module, source in ARROWS
        if room_of(module) == room != room_of(source)
        and room_of(source) not in SHELVES
        and source != room_of(source)
        and source.rpartition(".")[2] not in handed_out(room_of(source))
    ]
    assert past == []


def handed_out(room):
    """The files among the names of a room."""
    tree = ast.parse(MODULES[room].read_text(encoding="utf-8"))
    (names,) = (
        ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign) and statement.targets[0].id == "__all__"
    )
    return {name for name in names if f"{room}.{name}" in MODULES}


def test_modules_run_in_no_circle():
    """Nor do those of one room, which do not use its door."""
    graph = {module: set() for module in MODULES}
    for module, source in ARROWS:
        if room_of(module) == room_of(source):
            assert source != room_of(source), f"{module} uses the door of its own room"
            graph[module].add(source)
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("room", ["_kernels", "_linear", "_protocol", "_solvers", "attack"])
def test_nobody_asks_which_loss_it_is(room):
    """A loss declares what it can; its name is for the estimators' parameter."""
    asking = [
        f"{module}: {node.value!r}"
        for module, file in MODULES.items()
        if module.split(".")[0] == room
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and node.value in LOSSES
    ]
    assert asking == []
