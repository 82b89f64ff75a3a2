"""The order of the gallery: fits, attacks, bounds, how it is computed, and what users bring."""

from pathlib import Path

__all__ = ["ByOrder"]

#: the examples, without the numbers that their files begin with
ORDER = (
    *("own_table", "first_fit", "sharing", "many_classes"),
    *("direct_indirect", "feature_limits", "injected_rows", "goal", "security_curve"),
    *("sandwich", "bound", "search"),
    *("gradients", "stragglers", "tls"),
    *("own_attack", "own_defence", "own_loss", "own_relationship"),
)


class ByOrder:
    """Key of an example among those of its folder.

    Parameters
    ----------
    folder : str
        Of the examples; Sphinx-Gallery hands it over.
    """

    def __init__(self, folder):
        self.folder = folder

    def __repr__(self):
        return "<ByOrder>"  # Sphinx keeps it, and would build anew for an address

    def __call__(self, name):
        _, _, example = Path(name).stem.split("_", 2)
        return ORDER.index(example)
