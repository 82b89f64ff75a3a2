"""Settings and fixtures that every test shares."""

import os
import socket
from pathlib import Path

import pytest
from hypothesis import settings

from profiles import STRENGTH, some_of
from skfedmtl.attack._bilevel import continuation

settings.register_profile(
    "ci", max_examples=25, derandomize=True, deadline=None, database=None, print_blob=True
)
# old dependencies fail at once or not at all
settings.register_profile("few", settings.get_profile("ci"), max_examples=6)
settings.register_profile("long", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_modifyitems(config, items):
    """Leave out cases whose values have met in others; the long profile has them all."""
    if STRENGTH is not None:
        kept = some_of(items, STRENGTH)
        known = set(kept)
        config.hook.pytest_deselected(items=[item for item in items if item not in known])
        items[:] = kept


@pytest.fixture(scope="session")
def shared_data():
    """The folder with the data files that are never part of the repository."""
    beside_the_clone = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SKFEDMTL_DATA", beside_the_clone))
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set SKFEDMTL_DATA")
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Keep the tests on this machine: no data set is downloaded from where it really is."""
    connect = socket.create_connection

    def create_connection(address, *args, **kwargs):
        if address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"the tests connect to this machine only, not to {address[0]}")
        return connect(address, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def exact_ascents(monkeypatch):
    """Victims and gradients of ascents so near that rounding decides nothing."""
    exact = continuation.Accuracy(victim=1e-11, adjoint=1e-9)
    for name in ("_ROUGH", "_FINE"):
        monkeypatch.setattr(continuation, name, exact)
