"""The order of the gallery: by the numbers in the names of its files, so that 10 follows 9."""

import re
from pathlib import Path

__all__ = ["ByNumber"]


class ByNumber:
    """Key of an example among those of its folder.

    Parameters
    ----------
    folder : str
        Of the examples; Sphinx-Gallery hands it over.
    """

    def __init__(self, folder):
        self.folder = folder

    def __repr__(self):
        return "<ByNumber>"  # Sphinx keeps it, and would build anew for an address

    def __call__(self, name):
        return int(re.search(r"\d+", Path(name).name).group())
