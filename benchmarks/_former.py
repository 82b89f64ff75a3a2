"""A former commit of the package, compiled for one run, and programs that import it."""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

__all__ = ["COMMIT", "THREADS", "check_package", "environment", "install"]

ROOT = Path(__file__).resolve().parents[1]
COMMIT = "334596b"  #: the last one but for what began the present solver
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
#: run by every interpreter that begins: finders of packages installed in place come before the
#: path, and these two modules' look along it
CUSTOMIZE = """\
import sys

sys.meta_path[:] = [
    finder
    for finder in sys.meta_path
    if getattr(finder, "__module__", "").startswith("_frozen_importlib")
]
"""


def install(commit, folder):
    """Compile and install a commit from the git history of this clone.

    Parameters
    ----------
    commit : str
    folder : Path
        For its source and the package; kept as long as that is in use.

    Returns
    -------
    site : Path
        The folder to import it from, see `environment`.
    """
    source, site, archive = folder / "source", folder / "site", folder / "source.tar"
    subprocess.run(["git", "archive", "-o", archive, commit], cwd=ROOT, check=True)
    with tarfile.open(archive) as packed:
        packed.extractall(source, filter="data")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--target", site]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, source], check=True)
    (site / "sitecustomize.py").write_text(CUSTOMIZE, encoding="utf-8")
    return site


def environment(site=None):
    """Variables of a program of one thread that imports the package from `site`.

    None stands for the package that is installed. Programs that the program starts inherit them.
    """
    return {**os.environ, **THREADS, **({"PYTHONPATH": str(site)} if site else {})}


def check_package(file, site):
    """Raise ImportError if a package of this ``__file__`` is not the one in `site`."""
    if site and not Path(file).is_relative_to(site):
        raise ImportError(f"{file} is not in {site}")
