"""What a recorder of all bytes finds: the schema, and no row, target or dual variable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federations import LOSSES
from oracles.losses import RECORD_OF
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport, run_command
from skfedmtl.federation._codec import KINDS, decode, encode


class Recording(LocalTransport):
    """Keeps whatever is carried."""

    def __init__(self, nodes):
        super().__init__(nodes)
        self.frames = []

    def exchange(self, messages, deadline):
        answers = super().exchange(messages, deadline)
        self.frames += [*messages.values(), *answers.values()]
        return answers


def marked(values):
    """Those that no message holds by chance: of many digits."""
    values = np.ravel(values)
    return np.unique(np.abs(values[(values * 2.0**20) % 1.0 != 0.0]))


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("ignore:FederatedServer stopped")
@given(seed=st.integers(0, 2**32 - 1), sizes=st.lists(st.integers(20, 30), min_size=1, max_size=3))
def test_no_row_target_or_dual_variable_is_sent(loss, solver, seed, sizes):
    rng = np.random.default_rng(seed)
    nodes, private = {}, []
    for l, size in enumerate(sizes):
        X = rng.normal(size=(size, 2))
        y = X[:, 0] + rng.normal(size=size)
        y = y if RECORD_OF[loss].is_regression else np.where(y > 0.0, 1.0, -1.0)
        nodes[l] = FederatedNode(X, y, loss=loss, random_state=l)
        private += [X, y]
    transport = Recording(nodes)
    server = FederatedServer(loss=loss, solver=solver, local_epochs=2.0, max_iter=4, random_state=0)
    server.fit(transport)
    for node in nodes.values():
        state = node._node.state()
        private += [state[name] for name in ("alpha", "draft", "waiting", "kept")]
    sent = []
    for data in transport.frames:
        frame = decode(data)
        assert encode(frame) == data  # nothing lies between its fields
        for message in frame.messages:
            assert type(message) in KINDS
            sent += [np.abs(np.ravel(field)) for field in message]
    own = marked(np.concatenate([np.ravel(values) for values in private]))
    assert len(own) >= 2 * sum(sizes)
    assert not np.isin(np.concatenate(sent), own).any()
    every = b"".join(transport.frames)
    assert not any(number.tobytes() in every for number in own[:: len(own) // 20 + 1])


@pytest.mark.parametrize("command", ["serve", "node"])
def test_the_commands_name_the_losses(command, capsys):
    with pytest.raises(SystemExit):
        run_command([command, "--loss", "huber"])
    said = capsys.readouterr().err
    assert "--loss: invalid choice: 'huber'" in said
    assert all(name in said.partition("choose from")[2] for name in LOSSES)
