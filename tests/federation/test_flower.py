"""The bytes of the protocol in Flower's messages, in one process: no SuperLink is started."""

import subprocess
import sys
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from federations import make_nodes
from skfedmtl.federation import FederatedNode, FederatedServer, FederationError, LocalTransport
from skfedmtl.federation import flower as flower_module
from skfedmtl.federation._codec import Frame, decode, encode
from skfedmtl.federation._messages import Code, Hello, place_of
from skfedmtl.federation.flower import FlowerTransport, client_app, server_app

LOSS = "logistic"
PARAMS = {"loss": LOSS, "lambda1": 1e-2, "lambda2": 1e-2, "local_epochs": 5.0, "tol": 1e-3}
PARTS = ("coef_", "intercept_", "nodes_", "objective_", "dual_objective_")


def test_the_module_loads_neither_flower_nor_scikit_learn():
    code = (
        "import sys; import skfedmtl.federation.flower; "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'flwr', 'sklearn'}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_what_is_no_part_of_an_app_is_refused():
    with pytest.raises(TypeError, match="make_node must be callable, got 3"):
        client_app(3)
    with pytest.raises(TypeError, match="server must be a FederatedServer, got 3"):
        server_app(3)
    with pytest.raises(TypeError, match="nodes must be a list of names, got 'north'"):
        server_app(FederatedServer(loss=LOSS), nodes="north")
    with pytest.raises(ValueError, match="nodes must name one"):
        server_app(FederatedServer(loss=LOSS), nodes=[])
    with pytest.raises(ValueError, match=r"named \.npz or \.skops, got 'model'"):
        server_app(FederatedServer(loss=LOSS), nodes=["north"], output="model")
    with pytest.raises(TypeError, match="grid must be one of Flower's"):
        FlowerTransport(None, ["north"])


def test_without_flower_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setattr(flower_module, "find_spec", lambda name: None)
    for make in (lambda: client_app(print), lambda: server_app(FederatedServer(loss=LOSS))):
        with pytest.raises(ImportError, match=r"pip install \"skfedmtl\[flower\]\""):
            make()


@pytest.fixture
def flwr(monkeypatch):
    """Flower, as in the process of a run: its messages are those of task 1 at the SuperLink."""
    app = pytest.importorskip("flwr.app", reason="Flower is not installed")
    from flwr.supercore.task_identity import TaskIdentity

    for name in ("_run_id", "_node_id", "_task_id"):
        monkeypatch.setattr(TaskIdentity, name, 1)
    return app


@pytest.fixture
def grid_of(flwr):
    """Makes a grid of apps by name that answers at once, and as often as it is asked."""
    from flwr.proto.node_pb2 import NodeInfo
    from flwr.serverapp import Grid

    class InProcess(Grid):
        run = None
        silent = ()  #: numbers of nodes that do not answer
        answered = ()  #: what stands in place of a node's answer, by its number

        def __init__(self, apps, configs):
            self.apps = dict(enumerate(apps.values(), 7))
            self.names = dict(enumerate(apps, 7))
            self.contexts = {
                place: flwr.Context(1, place, configs[name], flwr.RecordDict(), {})
                for place, name in self.names.items()
            }
            self.replies, self.ttls, self.count = {}, [], 0

        def set_run(self, run): ...

        def create_message(self, *args, **kwargs): ...

        def send_and_receive(self, *args, **kwargs): ...

        def get_node_ids(self):
            return list(self.apps)

        def get_nodes(self):
            return [NodeInfo(node_id=place, name=name) for place, name in self.names.items()]

        def push_messages(self, messages):
            return [self.push(message) for message in messages]

        def push(self, message):
            self.count += 1
            place, identity = message.metadata.dst_node_id, f"message {self.count}"
            message.metadata.__dict__["_message_id"] = identity
            self.ttls.append(message.metadata.ttl)
            if place not in self.silent:
                reply = self.apps[place](message, self.contexts[place])
                assert reply.metadata.src_node_id == place
                self.replies[identity] = self.change(reply)
            return identity

        def change(self, reply):
            return reply

        def pull_messages(self, message_ids):
            return [self.replies.pop(one) for one in list(message_ids) if one in self.replies]

    def make(folder, make_node=None, kind=InProcess, **changes):
        _, _, _, parties = make_nodes(LOSS)
        X, y, nodes, _ = make_nodes(LOSS)

        def made(config):
            own = nodes == config["label"]
            seed = sorted(parties).index(config["label"])
            state = config.get("state_dir")
            return FederatedNode(X[own], y[own], loss=LOSS, random_state=seed, state_dir=state)

        app = client_app(made if make_node is None else make_node)
        configs = {
            label: {"label": label, "state_dir": str(folder / label), **changes}
            for label in parties
        }
        return kind(dict.fromkeys(parties, app), configs)

    make.kind = InProcess
    return make


def test_the_bits_of_one_process(grid_of, tmp_path):
    """A node is made anew for every message, as by Flower."""
    *_, parties = make_nodes(LOSS)
    expected = FederatedServer(random_state=0, **PARAMS).fit(LocalTransport(parties))
    grid = grid_of(tmp_path)
    transport = FlowerTransport(grid, list(parties)[::-1])
    assert transport.labels == sorted(parties)
    server = FederatedServer(random_state=0, deadline=30, **PARAMS).fit(transport)
    for name in PARTS:
        assert_array_equal(getattr(server, name), getattr(expected, name))
    assert server.n_iter_ > 1
    assert all(29 < ttl <= 30 for ttl in grid.ttls)


def test_the_apps_of_both_write_a_model(grid_of, flwr, tmp_path):
    grid = grid_of(tmp_path)
    server = FederatedServer(deadline=30, **PARAMS)
    config = {"nodes": "n0, n2", "output": str(tmp_path / "model.npz")}
    context = flwr.Context(1, 0, {}, flwr.RecordDict(), config)
    server_app(server)(grid, context)
    with np.load(tmp_path / "model.npz", allow_pickle=False) as model:
        assert model["nodes"].tolist() == ["n0", "n2"]
        assert_array_equal(model["coef"], server.coef_)
    with pytest.raises(ValueError, match="nodes must name one"):
        server_app(server)(grid, flwr.Context(1, 0, {}, flwr.RecordDict(), {}))


def test_who_does_not_answer_is_left_out_by_the_deadline(grid_of, tmp_path):
    grid = grid_of(tmp_path)
    grid.silent = (9,)
    begin = time.monotonic()
    server = FederatedServer(deadline=0.3, patience=2, **PARAMS)
    server.fit(FlowerTransport(grid, ["n0", "n1", "n2", "nowhere"]))
    assert time.monotonic() - begin < 20
    assert server.absent_ == ["n2", "nowhere"]
    assert server.nodes_.tolist() == ["n0", "n1"]


def test_an_answer_of_another_node_is_none(grid_of, tmp_path):
    class Mixed(grid_of.kind):
        def change(self, reply):
            reply.metadata.__dict__["_src_node_id"] = 8
            return reply

    transport = FlowerTransport(grid_of(tmp_path, kind=Mixed), ["n0", "n1"])
    assert set(transport.exchange({"n0": b"x", "n1": b"x"}, 0.2)) == {"n1"}


def test_a_name_twice_is_an_error(grid_of, tmp_path):
    grid = grid_of(tmp_path)
    grid.names[9] = "n1"
    with pytest.raises(RuntimeError, match="two SuperNodes are registered as 'n1'"):
        FlowerTransport(grid, ["n1"]).exchange({"n1": b"x"}, 0.2)
    assert set(FlowerTransport(grid, ["n0"]).exchange({"n0": b"x"}, 0.2)) == {"n0"}


SECRET = "17.25"


def broken(config):
    raise ValueError(f"could not convert {SECRET}")


def forgetful(config):
    return FederatedNode(np.eye(20), np.ones(20), loss=LOSS)


@pytest.mark.parametrize(
    ("make_node", "changes", "log"),
    [
        (broken, {}, SECRET),
        (forgetful, {}, "make a node with state_dir"),
        (forgetful, {"state_dir": ""}, "must hold state_dir"),
    ],
)
def test_what_is_raised_stays_at_the_node(make_node, changes, log, grid_of, tmp_path, caplog):
    grid = grid_of(tmp_path, make_node, **changes)
    transport = FlowerTransport(grid, ["n0"])
    asked = encode(Frame(5, 0, (Hello(place_of(LOSS), 0.0),)))
    answer = transport.exchange({"n0": asked}, 5)["n0"]
    assert SECRET.encode() not in answer
    frame = decode(answer)
    assert (frame.exchange, frame.messages[0].code) == (5, float(Code.FAILED))
    assert log in caplog.text
    with pytest.raises(FederationError, match="failed; its own log says how"):
        FederatedServer(deadline=5, on_refused="error", **PARAMS).fit(transport)


def test_what_is_no_message_of_ours_is_answered(grid_of, flwr, tmp_path):
    """With a code; an error of Flower's, and another record, are wrong answers or none."""
    from flwr.app import Message

    grid = grid_of(tmp_path)
    context = grid.contexts[7]
    for content in ({}, {"skfedmtl": flwr.ConfigRecord({"frame": "text"})}):
        message = Message(flwr.RecordDict(content), 7, "query")
        message.metadata.__dict__["_message_id"] = "one"
        reply = grid.apps[7](message, context)
        frame = decode(reply.content.config_records["skfedmtl"]["frame"])
        assert frame.messages[0].code == float(Code.MALFORMED)

    class Failing(grid_of.kind):
        def push(self, message):
            identity = super().push(message)
            error = flwr.Error(code=5, reason=SECRET)
            self.replies[identity] = Message(error, reply_to=message)
            return identity

    failing = grid_of(tmp_path, kind=Failing)
    assert FlowerTransport(failing, ["n0"]).exchange({"n0": b"x"}, 5) == {}
