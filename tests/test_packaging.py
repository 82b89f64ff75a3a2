"""What an installed package holds, and what a source folder in its place says."""

import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import skfedmtl._kernels

#: looks for what a first fit loads or looks up that an import could have
FIRST_FIT = """
import importlib.metadata, sys
import numpy as np
from skfedmtl import FMTLClassifier
looked_up = []
importlib.metadata.entry_points = lambda **kwargs: looked_up.append(kwargs) or ()
rng, loaded = np.random.default_rng(0), set(sys.modules)
X, nodes = rng.standard_normal((60, 4)), np.repeat(["a", "b", "c"], 20)
FMTLClassifier(random_state=0).fit(X, X[:, 0] > 0, nodes=nodes)
print(sorted(set(sys.modules) - loaded), looked_up)
"""


def test_the_version_comes_from_the_metadata():
    assert version("skfedmtl")


def test_extras_that_pages_and_messages_name_are_there():
    """And the page on installing says of each what needs it."""
    root = Path(__file__).parents[1]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = project["optional-dependencies"]
    named = {}
    for folder, suffix in (("docs", "rst"), ("docs", "py"), ("skfedmtl", "py"), (".", "md")):
        pattern = f"*.{suffix}" if folder == "." else f"**/*.{suffix}"
        for path in (root / folder).glob(pattern):
            for extras in re.findall(r"skfedmtl\[([a-z,]+)\]", path.read_text(encoding="utf-8")):
                named.update(dict.fromkeys(extras.split(","), path))
    assert len(named) > 3 and {name: named[name] for name in set(named) - set(known)} == {}
    page = (root / "docs/install.rst").read_text(encoding="utf-8")
    table = page.partition(".. extras-table::\n\n")[2].partition("\n\n")[0]
    assert re.findall(r"^    ([a-z]+): \S", table, flags=re.MULTILINE) == list(known)


def test_typing_marker_and_data_are_installed():
    package = files("skfedmtl")
    assert (package / "py.typed").is_file()
    assert any(
        entry.name.startswith("flights.csv") for entry in (package / "datasets/data").iterdir()
    )
    assert any(entry.name.endswith(".rst") for entry in (package / "datasets/descr").iterdir())


def test_a_source_folder_without_compiled_modules_says_what_to_do(tmp_path):
    package = tmp_path / "skfedmtl"
    (package / "_kernels").mkdir(parents=True)
    (package / "__init__.py").touch()
    shutil.copy(skfedmtl._kernels.__file__, package / "_kernels")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import skfedmtl._kernels"
    # -S: without site-packages there is no installed package to find
    run = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True)
    assert run.returncode != 0
    for words in ("ImportError", str(package), "shadows", "pip install -e . --no-build-isolation"):
        assert words in run.stderr


def test_a_first_fit_loads_and_looks_up_nothing():
    run = subprocess.run(
        [sys.executable, "-c", FIRST_FIT], capture_output=True, text=True, check=True
    )
    assert run.stdout == "[] []\n"


def test_a_node_loads_neither_scikit_learn_nor_what_only_servers_need():
    code = (
        "import sys; from skfedmtl.federation import FederatedNode; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & "
        "{'sklearn', 'joblib', 'flwr', 'pandas', 'matplotlib', 'dask', 'pyarrow'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_help_loads_no_numbers():
    """Of the command, of one of a federation, and of the package alone."""
    code = (
        "import sys; import skfedmtl; from skfedmtl._console import main\n"
        "for call in ([], ['report'], ['serve'], ['node']):\n"
        "    try: main([*call, '--help'])\n"
        "    except SystemExit as end: assert end.code == 0\n"
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'numpy', 'sklearn'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--dataset" in run.stdout and "--certificates" in run.stdout
    assert run.stdout.endswith("\n[]\n")


def test_every_public_name_and_room_is_found_and_listed():
    code = (
        "import skfedmtl; assert set(skfedmtl.__all__) <= set(dir(skfedmtl)); "
        "from skfedmtl import *; print(FMTLClassifier.__name__, skfedmtl.metrics.__name__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "FMTLClassifier skfedmtl.metrics\n"
