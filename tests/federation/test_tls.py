"""Processes that speak over mutual TLS on this machine; every wait has an end."""

import re
import socket
import ssl
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_array_equal

from federations import make_nodes, start, write_federation
from skfedmtl._console import main
from skfedmtl.federation import FederatedServer, LocalTransport, TLSTransport, serve_node
from skfedmtl.federation._certificates import SERVER, contexts, make_certificates
from skfedmtl.federation._wire import Link, address_of
from skfedmtl.federation._work import _read

pytest.importorskip("cryptography")

LOSS = "logistic"
finite = st.floats(allow_nan=False, allow_infinity=False)
PARAMS = {"loss": LOSS, "lambda1": 1e-2, "lambda2": 1e-2, "local_epochs": 5.0, "tol": 1e-6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Certificates of four nodes, and the rows of each."""
    folder = tmp_path_factory.mktemp("federation")
    write_federation(folder, LOSS)
    return folder


@pytest.fixture
def node_of(folder):
    """Starts the process of a node; none is left behind."""
    started = []

    def begin(label, port, *more):
        started.append(
            start(
                *("node", "--data", folder / f"{label}.npz", "--certificates", folder / label),
                *("--loss", LOSS, "--server", f"127.0.0.1:{port}", "--seed", label[-1]),
                *("--wait", 30, *more),
            )
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate(timeout=10)


def test_processes_find_the_bits_of_one(folder, node_of):
    *_, parties = make_nodes(LOSS)
    expected = FederatedServer(random_state=0, **PARAMS).fit(LocalTransport(parties))
    with TLSTransport("127.0.0.1:0", folder / SERVER) as transport:
        assert transport.labels == sorted(parties)
        processes = [node_of(label, transport.address[1]) for label in parties]
        server = FederatedServer(random_state=0, deadline=30, **PARAMS).fit(transport)
    for name in ("coef_", "intercept_", "nodes_"):
        assert_array_equal(getattr(server, name), getattr(expected, name))
    assert_array_equal(server.history_["dual_objective"], expected.history_["dual_objective"])
    for process in processes:
        said, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "connected\nover after" in said


def test_a_killed_node_is_left_out_by_the_deadline(folder, node_of):
    *_, parties = make_nodes(LOSS)
    killed = max(parties)

    class Killing(TLSTransport):
        count = 0

        def exchange(self, messages, deadline):
            self.count += 1
            if self.count == 8:
                processes[killed].kill()
            return super().exchange(messages, deadline if self.count > 1 else 30.0)

    with Killing("127.0.0.1:0", folder / SERVER) as transport:
        processes = {label: node_of(label, transport.address[1]) for label in parties}
        begin = time.monotonic()
        server = FederatedServer(random_state=0, deadline=2, **PARAMS).fit(transport)
        assert time.monotonic() - begin < 60
    assert server.absent_ == [killed]
    assert killed not in server.nodes_
    assert server.dual_gap_ <= PARAMS["tol"] * server.objective_


def ended(port, context=None):
    """Whether a connection to the server is ended without a message."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        plain.settimeout(10)
        try:
            if context is None:
                plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
                while plain.recv(100):
                    pass
                return True
            with context.wrap_socket(plain, server_hostname=SERVER) as connection:
                return connection.recv(1) == b""
        except (ssl.SSLError, ConnectionError):
            return True


def test_strangers_are_turned_away(folder, tmp_path):
    make_certificates(tmp_path, ["n0"], days=1)  # another authority's
    foreign = contexts(tmp_path / "n0", server=False)
    foreign.load_verify_locations(folder / "n0" / "authority.pem")
    nobody = ssl.create_default_context(cafile=folder / "n0" / "authority.pem")
    with TLSTransport("127.0.0.1:0", folder / SERVER, nodes=["n1"]) as transport:
        port = transport.address[1]
        unregistered = contexts(folder / "n0", server=False)
        for context in (None, foreign, nobody, unregistered):
            assert ended(port, context)
        assert transport.exchange({"n1": b""}, 0.1) == {}


def test_a_node_turns_away_who_is_not_the_server(folder):
    """Another node's certificate does not do, though the same authority has signed it."""
    context = contexts(folder / "n1", server=True)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        client = contexts(folder / "n0", server=False)
        with socket.create_connection(listener.getsockname()) as plain:
            other, _ = listener.accept()
            other.settimeout(10)
            plain.settimeout(0)
            waiting = client.wrap_socket(
                plain, server_hostname=SERVER, do_handshake_on_connect=False
            )
            with pytest.raises(ssl.SSLWantReadError):
                waiting.do_handshake()
            near = context.wrap_socket(other, server_side=True, do_handshake_on_connect=False)
            near.settimeout(0)
            with pytest.raises(ssl.SSLWantReadError):
                near.do_handshake()
            with pytest.raises(ssl.SSLCertVerificationError):
                waiting.do_handshake()
            waiting.close()
            near.close()


def test_foreign_certificates_are_told_at_once_and_once(folder, tmp_path, caplog):
    """The node says why it is no party of this federation; the server says it once of a host."""
    caplog.set_level("WARNING", "skfedmtl.federation")
    make_certificates(tmp_path, ["n0", "n9"], days=1)
    (tmp_path / "n9" / "authority.pem").write_bytes((folder / "n0" / "authority.pem").read_bytes())
    *_, parties = make_nodes(LOSS)
    with TLSTransport("127.0.0.1:0", folder / SERVER, nodes=["n1"]) as transport:
        for name, at in (("n0", tmp_path), ("n9", tmp_path), ("n0", folder)):
            said = []
            with pytest.raises(ConnectionError, match="no server at"):
                where = transport.address, at / name
                serve_node(parties["n0"], *where, wait=1.5, report=said.append)
            (reason,) = [line for line in said if line != "connected"]
            assert reason.startswith("no connection, and trying on: ")
            assert said.count("connected") <= 1
            assert ("of one `skfedmtl certificates`" in reason) == (at is tmp_path)
        turned = [record.getMessage() for record in caplog.records]
        assert len(turned) == len(set(turned)) and 2 <= len(turned) <= 4
        assert all(line.startswith("turned away 127.0.0.1") for line in turned)


def test_a_message_too_long_ends_the_link():
    one, other = socket.socketpair()
    with one, other:
        until = time.monotonic() + 5
        Link(one).send(7, b"x" * 100, until)
        assert Link(other).receive(until) == (7, b"x" * 100)
        Link(one).send(8, b"x" * 100, until)
        with pytest.raises(ConnectionError, match="at most 99"):
            Link(other, 99).receive(until)
        link = Link(other)
        with pytest.raises(TimeoutError):
            link.receive(time.monotonic())


def test_the_commands_say_what_is_wrong(folder, tmp_path):
    with pytest.raises(ValueError, match="HOST:PORT"):
        address_of("nowhere")
    with pytest.raises(ValueError, match="'a/b'"):
        make_certificates(tmp_path, ["a/b"], days=1)
    (tmp_path / "rows.csv").write_text("a,b,ill\n1,2,yes\n" * 3)
    process = start(
        *("node", "--data", tmp_path / "rows.csv", "--target", "sick", "--loss", LOSS),
        *("--certificates", folder / "n0"),
    )
    said, _ = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "--target must name one of the columns ['a', 'b', 'ill']" in said


TABLE = "ill,a,b\n" + "yes,1,2\nno,3,4\n" * 12


@pytest.mark.parametrize(
    ("text", "more", "message"),
    [
        (TABLE, ("--positive", "yes"), "24 rows of 2 features, 12 are 'yes'"),
        ("\ufeff" + TABLE + "\n", ("--positive", "Yes"), "24 rows of 2 features, 0 are 'Yes'"),
        (TABLE, (), "must hold numbers as targets; --positive names a class"),
        (TABLE + "yes,1\n", ("--positive", "yes"), "must hold 3 values in every line"),
        ("ill,a,b\n", ("--positive", "yes"), "must hold 3 values in every line"),
        (
            TABLE + "\nno,5,\n",
            ("--positive", "yes"),
            "line 27: column 'b' holds no value",
        ),
        (TABLE + "no,NaN,1\n", ("--positive", "yes"), "line 26: column 'a' holds no value, 'NaN'"),
        (TABLE + ",5,6\n", ("--positive", "yes"), "line 26: column 'ill' holds no value"),
        (TABLE + "no,icu,1\n", ("--positive", "yes"), "line 26: column 'a' holds a word, 'icu'"),
        (TABLE + "no,5,inf\n", ("--positive", "yes"), "line 26: column 'b' holds infinity"),
        ("", (), "is empty; it must hold a header and rows"),
    ],
)
def test_tables_of_nodes(text, more, message, tmp_path, capsys):
    """With a mark of the byte order, or empty lines, as other programs write them."""
    table = tmp_path / "rows.csv"
    table.write_text(text, encoding="utf-8")
    command = ["node", "--data", str(table), "--target", "ill", "--loss", LOSS, *more]
    assert main([*command, "--certificates", str(tmp_path / "none")]) in (1, 2)
    assert message in capsys.readouterr().err


@given(
    table=arrays(float, st.tuples(st.integers(1, 5), st.integers(2, 4)), elements=finite),
    place=st.integers(0, 1),
)
def test_a_table_is_read_to_the_bit(table, place):
    """Wherever its target stands, and with blanks around the numbers."""
    names = [f"x{j}" for j in range(table.shape[1])]
    lines = [
        ",".join(names),
        *(",".join(f" {value!r} " for value in row) for row in table.tolist()),
    ]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        path.write_text("\n".join(lines), encoding="utf-8")
        X, y, told = _read(path, names[place], None)
    assert_array_equal(X, np.delete(table, place, axis=1))
    assert_array_equal(y, table[:, place])
    assert told == names[:place] + names[place + 1 :]


def test_a_folder_without_certificates_is_named(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no .*authority\.pem"):
        contexts(tmp_path, server=False)
    with pytest.raises(ValueError, match="nodes must name one"):
        make_certificates(tmp_path, [], days=1)
    with pytest.raises(ValueError, match="days must be at least 1, got 0"):
        make_certificates(tmp_path, ["a"], days=0)
    with TLSTransport("127.0.0.1:0", folder / SERVER, nodes=["n1", "n0", "n1"]) as transport:
        assert transport.labels == ["n0", "n1"]


def test_serve_and_node_from_tables_to_a_model(folder, node_of, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    output = tmp_path / "model.npz"
    server = start(
        *("serve", "--certificates", folder / SERVER, "--nodes", "n0,n1", "--loss", LOSS),
        *("--output", output, "--address", f"127.0.0.1:{port}", "--tol", 1e-2, "--deadline", 30),
    )
    try:
        for label in ("n0", "n1"):
            node_of(label, port)
        said, _ = server.communicate(timeout=60)
    finally:
        server.kill()
    assert server.returncode == 0, said
    assert re.search(r"round 1: objective \S+, gap \S+, \S+ of the objective", said)
    assert re.search(r"\nobjective \S+, gap \S+, \S+ of the objective: .*model\.npz", said)
    with np.load(output, allow_pickle=False) as model:
        assert model["coef"].shape == (2, 4)
        assert model["nodes"].tolist() == ["n0", "n1"]
        assert model["dual_objective"] <= model["objective"] * 1.01
