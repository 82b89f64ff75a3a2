"""Compiled inner loops: arrays in, arrays out."""

from importlib.util import find_spec
from pathlib import Path

_COMPILED = ("_sdca",)

_missing = [name for name in _COMPILED if find_spec(f"{__name__}.{name}") is None]
if _missing:
    raise ImportError(
        f"skfedmtl was imported from {Path(__file__).parents[1]}, which holds no compiled modules "
        f"({', '.join(_missing)} not found). If this is the source folder of a clone, it shadows "
        "the installed package: leave the clone's root, or keep it off sys.path (`python -P`, "
        "`pytest --import-mode=importlib`, the console command `skfedmtl`). To work on the source "
        "itself, install it in place: `pip install meson-python meson ninja cython && "
        "pip install -e . --no-build-isolation`."
    )
