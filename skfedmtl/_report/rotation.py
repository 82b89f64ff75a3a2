"""Drawn targets that change over the repetitions until every node has been one."""

from typing import Any

import numpy as np

from skfedmtl._estimators import FMTLRegressor
from skfedmtl._report.data import Data
from skfedmtl._report.experiment import Settings, Threat, split_seeds
from skfedmtl._typing import Array
from skfedmtl.attack import RandomPoisoner, draw_nodes
from skfedmtl.model_selection import train_test_split_nodes


def rotate(data: Data, settings: Settings, threat: Threat) -> Threat:
    """The same threat with the targets of every repetition, where nobody has named them.

    Those of the first are what an attacker of its seed draws. Later ones are too, but that nodes
    which were targets before give way to nodes that never were, as long as there are any.

    Parameters
    ----------
    data : tuple
        Rows, targets and the node of each.
    settings : Settings
        Their seed and their repetitions.
    threat : Threat
        With targets that are named, it is returned as it is.

    Returns
    -------
    threat : Threat
        ``drawn`` has one entry a repetition: labels, or None where they are the attacker's own
        draw.
    """
    if threat.targets is not None:
        return threat
    _, y, nodes = data
    drawn: list[tuple[Any, ...] | None] = [None]
    ever: set[Any] = set()
    for repeat in range(settings.repeats if settings.repeats > 1 else 0):
        split_seed, seed = split_seeds(settings, repeat)
        positions = np.arange(len(y))
        train, *_ = train_test_split_nodes(positions, y, nodes, random_state=split_seed)
        usual, candidates = _usual(nodes[train], seed)
        chosen = _rotated(usual, candidates, ever, seed)
        if repeat > 0:
            drawn.append(None if chosen == usual else tuple(chosen))
        ever.update(chosen)
    return threat._replace(drawn=tuple(drawn))


def _usual(nodes: Array, seed: int) -> tuple[list[Any], list[Any]]:
    """The targets that an attacker of this seed draws, and the nodes it draws them from."""
    labels, counts = np.unique(nodes, return_counts=True)
    several = labels[counts > 1]
    candidates = several if len(several) else labels
    attacker = RandomPoisoner(FMTLRegressor(), attack="direct", random_state=seed)
    targets, _ = draw_nodes(attacker, nodes, candidates)
    return targets.tolist(), candidates.tolist()


def _rotated(usual: list[Any], candidates: list[Any], ever: set[Any], seed: int) -> list[Any]:
    """The draw, in which nodes that never were targets take the places of others."""
    fresh = [node for node in candidates if node not in ever and node not in usual]
    stale = [node for node in usual if node in ever]
    rng, count = np.random.default_rng(seed), min(len(fresh), len(stale))
    come, go = (
        [some[place] for place in rng.permutation(len(some))[:count]] for some in (fresh, stale)
    )
    return sorted([*(node for node in usual if node not in go), *come])
