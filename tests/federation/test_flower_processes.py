"""The guide's own commands, word for word: a SuperLink and four SuperNodes on this machine.

Minutes, and ports 8000 and 9094 to 9099 have to be free: ``tox -e flower`` runs it.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from federations import make_nodes
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport

pytest.importorskip("flwr", reason="Flower is not installed")
if not os.environ.get("SKFEDMTL_FLOWER"):
    pytest.skip("tox -e flower runs it", allow_module_level=True)

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "federation.rst"
BLOCK = re.compile(
    r"\.\. code-block:: \w+\n(?:    :caption: (?P<file>\S+)\n)?\n(?P<text>(?:    .*\n|\n)+)"
)
NAMES = ("north", "east", "south", "west")
LOSS = "logistic"
#: Between the first block, which starts the SuperLink, and what speaks to it.
WAIT = "until (exec 3<>/dev/tcp/127.0.0.1/8000) 2>/dev/null; do sleep 0.5; done\n"
LONGEST = 600.0  #: seconds of a fit, some twenty an exchange on a busy machine


class Commands:
    """The guide's blocks in one shell, whose processes are known by their ``FLWR_HOME``."""

    def __init__(self, folder):
        self.folder, self.blocks = folder, []
        _, _, section = GUIDE.read_text(encoding="utf-8").partition("\nOver Flower\n")
        section, _, _ = section.partition("\nWhat travels\n")
        for block in BLOCK.finditer(section):
            text = textwrap.dedent(block["text"])
            if block["file"] is None:
                self.blocks.append(text)
                continue
            file = folder / block["file"]
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")

    def run(self, text, seconds):
        """Run a block to its end; what is started behind it stays."""
        with (self.folder / "log").open("a") as log:
            exports = re.search(r"^export .*$", self.blocks[0], re.MULTILINE)
            script = f"set -e\n{exports[0]}\n{text}"
            command = ["bash", "-c", script]
            where = {"cwd": self.folder, "stdin": subprocess.DEVNULL}
            code = subprocess.run(
                command, stdout=log, stderr=log, timeout=seconds, check=False, **where
            ).returncode
        return code

    def said(self):
        return (self.folder / "log").read_text(encoding="utf-8", errors="replace")

    def own(self):
        """Processes that are still there."""
        mark = f"FLWR_HOME={self.folder / 'flwr'}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (place / "environ").read_bytes().split(b"\0"):
                    yield int(place.name)

    def end(self):
        for kind in (signal.SIGTERM, signal.SIGKILL):
            for process in self.own():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, kind)
            until = time.monotonic() + 15
            while list(self.own()) and time.monotonic() < until:
                time.sleep(0.2)


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """A SuperLink with registered SuperNodes, and the rows of each."""
    folder = tmp_path_factory.mktemp("flower")
    X, y, nodes, _ = make_nodes(LOSS)
    for name, label in zip(NAMES, np.unique(nodes), strict=True):
        np.savez(folder / f"{name}.npz", X=X[nodes == label], y=y[nodes == label])
    made = Commands(folder)
    try:
        link, keys, supernodes, _ = made.blocks
        assert made.run(link + WAIT, 60) == 0, made.said()
        assert made.run(keys, 60) == 0, made.said()
        assert made.run(supernodes, 60) == 0, made.said()
        yield made
    finally:
        made.end()
    assert list(made.own()) == []


STRANGER = "flower-supernode --superlink 127.0.0.1:8000 --port 9099 --max-retries 1 "


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (
            "--root-certificates superlink.pem --auth-supernode-private-key stranger.key",
            "Failed to activate SuperNode",
        ),
        ("--root-certificates superlink.pem", "All SuperNodes must be registered"),
        ("--insecure", "Failed to initialize the connection"),
    ],
)
def test_strangers_are_turned_away(options, reason, commands):
    """A key that is not registered, none, and plain HTTP."""
    before = len(commands.said())
    make_key = 'test -f stranger.key || ssh-keygen -q -t ecdsa -b 384 -N "" -f stranger.key\n'
    assert commands.run(f"{make_key}timeout 60 {STRANGER}{options}", 90) not in (0, 124)
    assert reason in commands.said()[before:]


def test_plain_http_has_no_answer(commands):
    with socket.create_connection(("127.0.0.1", 8000), 10) as plain:
        plain.settimeout(10)
        plain.sendall(b"GET / HTTP/1.1\r\nHost: superlink\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert plain.recv(100) == b""


class Counted(LocalTransport):
    count = 0

    def exchange(self, messages, deadline):
        self.count += 1
        return super().exchange(messages, deadline)


def test_the_bits_of_one_process(commands):
    nodes = {}
    for place, name in enumerate(NAMES):
        with np.load(commands.folder / f"{name}.npz") as rows:
            nodes[name] = FederatedNode(rows["X"], rows["y"], loss=LOSS, random_state=9094 + place)
    transport = Counted(nodes)
    expected = FederatedServer(loss=LOSS, tol=1e-2, random_state=0).fit(transport)
    begin = time.monotonic()
    assert commands.run(commands.blocks[-1], LONGEST) == 0, commands.said()
    seconds = time.monotonic() - begin
    print(f"{transport.count} exchanges, {seconds / transport.count:.1f} s each")
    with np.load(commands.folder / "model.npz", allow_pickle=False) as model:
        assert model["nodes"].tolist() == sorted(NAMES)
        assert_array_equal(model["coef"], expected.coef_)
        assert_array_equal(model["intercept"], expected.intercept_)
        assert model["dual_objective"] == expected.dual_objective_
    said = commands.said()
    assert "round 2: objective" in said
    assert "gap" in said
    for name in NAMES:
        assert (commands.folder / "state" / name).stat().st_mode & 0o077 == 0
