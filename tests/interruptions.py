"""Fits that are stopped again and again, or before they begin."""

from skfedmtl.attack._bilevel.checkpoint import Checkpoint


def never(*args, **kwargs):
    """What is refused before any work does not come here."""
    raise AssertionError("fitted")


def fit_in_pieces(attack, X, y, nodes, monkeypatch, n_stops):
    """Fit an attack, stopped right after each of its first checkpoints; how many it wrote."""
    save, saves = Checkpoint.save, []

    def save_and_stop(self, state):
        save(self, state)
        saves.append(1)
        if len(saves) <= n_stops:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_stop)
    for _ in range(3 * n_stops):
        try:
            attack.fit(X, y, nodes=nodes)
        except KeyboardInterrupt:
            continue
        break
    return len(saves)
