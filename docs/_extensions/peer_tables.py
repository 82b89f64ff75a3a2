"""The directive ``peer-table``: one node's attack beside a peer's, read when pages are built."""

from result_tables import BENCHMARKS, read, table_nodes
from sphinx.util.docutils import SphinxDirective

PATH = BENCHMARKS / "attack" / "results" / "peers.csv"
VICTIMS = {"svm": "linear SVM", "ridge": "ridge"}


def peers(rows, peer):
    """The means of ours and of the peer's, for every victim that the peer attacks."""
    yield "victim", "attack", "clean accuracy", "poisoned accuracy", "loss", "CPU seconds"
    means = {(row["victim"], row["attack"]): row for row in rows if row["seed"] == "mean"}
    for victim, name in VICTIMS.items():
        if (victim, peer) not in means:
            continue
        for attack in ("skfedmtl", "skfedmtl x 4", peer):
            row = means[victim, attack]
            numbers = [f"{float(row[key]):.3f}" for key in ("clean", "peer", "loss")]
            yield name, attack, *numbers, f"{float(row['cpu s']):.2g}"


class PeerTable(SphinxDirective):
    """A table of what is in the results; the argument is the peer's name there."""

    required_arguments = 1

    def run(self):
        return table_nodes(self, peers(read(PATH), self.arguments[0]), PATH)


def setup(app):
    """Tell Sphinx."""
    app.add_directive("peer-table", PeerTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
