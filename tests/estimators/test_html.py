"""The HTML of an estimator: it links to the documentation, and builds nothing large."""

import tracemalloc
from email.message import Message

import numpy as np
import pytest

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    LabelFlipPoisoner,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl._tools import doc_link

MODELS = [
    FMTLRegressor(),
    FMTLClassifier(),
    PoisoningAttacker(FMTLRegressor()),
    RandomPoisoner(FMTLRegressor()),
    LabelFlipPoisoner(FMTLClassifier()),
]


@pytest.fixture
def publish(monkeypatch):
    """Lets the installed package name these URLs."""

    def publish(*urls):
        message = Message()
        for url in urls:
            message["Project-URL"] = url
        monkeypatch.setattr(doc_link, "metadata", lambda name: message)
        doc_link.documentation_url.cache_clear()

    yield publish
    doc_link.documentation_url.cache_clear()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_the_link(model, publish):
    publish("Source, https://source.example/", "Documentation, https://docs.example/stable/")
    name = type(model).__name__
    link = f"https://docs.example/stable/api/generated/skfedmtl.{name}.html"
    assert model._get_doc_link() == link
    assert f'href="{link}"' in model._repr_html_()


@pytest.mark.parametrize("urls", [(), ("Source, https://source.example/",)])
def test_no_link_before_there_is_a_site(urls, publish):
    publish(*urls)
    assert FMTLRegressor()._get_doc_link() == ""
    assert "source.example" not in FMTLRegressor()._repr_html_()


def test_many_nodes_make_no_matrix():
    m = 6000
    rng = np.random.default_rng(0)
    X, nodes = rng.standard_normal((2 * m, 2)), np.arange(2 * m) % m
    model = FMTLRegressor(tol=0.1, random_state=0).fit(X, X.sum(axis=1), nodes=nodes)
    tracemalloc.start()
    try:
        html = model._repr_html_()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "FMTLRegressor" in html
    assert peak < 20e6  # m by m: 288 MB
