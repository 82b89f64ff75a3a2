"""Run a script that imports packages from a folder, even those that are installed in place.

python _from_site.py SITE SCRIPT ARGUMENTS...
"""

import runpy
import sys

__all__ = []

if __name__ == "__main__":
    _, site, *sys.argv = sys.argv
    # finders of packages installed in place come before the path; these two modules' look along it
    sys.meta_path[:] = [
        finder
        for finder in sys.meta_path
        if getattr(finder, "__module__", "").startswith("_frozen_importlib")
    ]
    sys.path.insert(0, site)
    runpy.run_path(sys.argv[0], run_name="__main__")
