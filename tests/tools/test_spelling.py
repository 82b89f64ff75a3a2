"""Names that are misspelt: what may have been meant is said where the name is refused."""

import numpy as np
import pandas as pd
import pytest

from skfedmtl import FMTLClassifier, PoisoningAttacker
from skfedmtl._tools.spelling import meant
from skfedmtl.attack import infer_constraints
from skfedmtl.federation import TLSTransport

SITES = ["General North", "Holy Cross", "Lakeside", "Mercy", "Queens", "St. Mary's"]
ASKED = r" \(did you mean \"St\. Mary's\"\?\)"


@pytest.mark.parametrize("wrong", ["St Marys", "st. mary's", ["Nowhere", "St. Mary"]])
def test_what_may_have_been_meant(wrong):
    assert (
        meant(wrong, SITES) == meant(wrong, np.array(SITES)) == """ (did you mean "St. Mary's"?)"""
    )


@pytest.mark.parametrize("wrong", ["South", 3, [3, None], []])
def test_nothing_is_alike(wrong):
    assert meant(wrong if isinstance(wrong, str | list) else [wrong], [*SITES, 3]) == ""


def test_each_of_several():
    assert meant(["mercy", "queen", "mercy"], SITES) == " (did you mean 'Mercy' and 'Queens'?)"


def test_nodes_columns_and_registered_nodes(tmp_path):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(60, 2)), columns=["blood pressure", "age"])
    y, nodes = (X["age"] > 0).to_numpy(), np.repeat(SITES, 10)
    model = FMTLClassifier()
    for name in ("target_nodes", "source_nodes"):
        attacker = PoisoningAttacker(model, attack="hybrid", **{name: ["St Marys"]})
        with pytest.raises(ValueError, match=f"`{name}` holds.*St Marys.*{ASKED}"):
            attacker.fit(X, y, nodes=nodes)
    model.fit(X, y, nodes=nodes)
    with pytest.raises(ValueError, match=f"not seen in fit: 'St Marys'{ASKED}"):
        model.predict(X[:1], nodes=["St Marys"])
    with pytest.raises(ValueError, match=f"`node_labels` lacks.*{ASKED}"):
        FMTLClassifier(node_labels=SITES).fit(X[:1], y[:1], nodes=["St Marys"])
    limits = {**infer_constraints(X), "frozen_features": ["Blood-Pressure"]}
    with pytest.raises(ValueError, match=r"did you mean 'blood pressure'\?"):
        PoisoningAttacker(model, **limits).fit(X, y, nodes=nodes)
    (tmp_path / "nodes.txt").write_text("\n".join(SITES))
    with pytest.raises(ValueError, match=f"'St Marys'.*{ASKED}"):
        TLSTransport("127.0.0.1:0", tmp_path, nodes=["St Marys"])
