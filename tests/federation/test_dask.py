"""Nodes in the workers of a dask cluster: the bits of blocks at home, and killed workers."""

import gc
import os
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from estimators import ESTIMATOR_OF, make_rows
from oracles.losses import RECORD_OF
from oracles.objective import loss_values, regulariser
from profiles import IS_LONG
from skfedmtl.federation import DaskTransport, FederatedServer, FederationError
from skfedmtl.federation._blocks import BlockHost, Intercepts, LocalBlocks, Rows
from skfedmtl.federation._dask_homes import Homes

distributed = pytest.importorskip("distributed", reason="distributed has the workers")
pa = pytest.importorskip("pyarrow", reason="pyarrow reads Parquet")
parquet = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")

SIZES = (22, 1, 31, 24, 3, 27)
COLUMNS = {"node_column": "node", "target_column": "y"}
LONGEST = 60.0  #: seconds within which everything has to end


def make_table(loss="hinge", sizes=SIZES):
    X, y, nodes = make_rows(ESTIMATOR_OF[loss], sizes, n_features=4, strings=True)
    if not RECORD_OF[loss].is_regression:
        y = np.where(y == y.max(), 1.0, -1.0)
    return X, y, nodes


def make_frame(table):
    X, y, nodes = table
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])])
    return frame.assign(y=y, node=nodes)


def cut(table, n_blocks=3):
    """Whole nodes a block, which are no neighbours."""
    labels = np.unique(table[2])
    for place in range(n_blocks):
        own = np.isin(table[2], labels[place::n_blocks])
        yield tuple(array[own] for array in table)


def at_home(table):
    def host(rows):
        return BlockHost(lambda: rows, Intercepts())

    return LocalBlocks([host(Rows(*own)) for own in cut(table)], n_jobs=2)


def write_files(table, folder):
    for place, own in enumerate(cut(table)):
        parquet.write_table(
            pa.Table.from_pandas(make_frame(own), preserve_index=False),
            folder / f"{place}.parquet",
        )
    return folder


def write_groups(table, path):
    frames = [pa.Table.from_pandas(make_frame(own), preserve_index=False) for own in cut(table)]
    with parquet.ParquetWriter(path, frames[0].schema) as file:
        for frame in frames:
            file.write_table(frame)
    return path


def write_hive(table, folder):
    for place, own in enumerate(cut(table)):
        (folder / f"part={place}").mkdir()
        parquet.write_table(
            pa.Table.from_pandas(make_frame(own), preserve_index=False),
            folder / f"part={place}" / "rows.parquet",
        )
    return folder


def put(client, value):
    """In the cluster, under a name that nothing of the same content has had before."""
    return client.scatter(value, hash=False)


def give_frames(table, client):
    return [put(client, make_frame(own)) for own in cut(table)]


def give_arrays(table, client):
    return [put(client, own) for own in cut(table)]


def give_delayed(table, client):
    dask = pytest.importorskip("dask")
    return [dask.delayed(pd.DataFrame)(make_frame(own).to_dict("list")) for own in cut(table)]


def give_dataframe(table, client):
    dask = pytest.importorskip("dask.dataframe")
    frames = [make_frame(own) for own in cut(table)]
    return dask.from_map(lambda place: frames[place], range(3), meta=frames[0].iloc[:0])


GIVEN = {
    "frames": give_frames,
    "arrays": give_arrays,
    "delayed": give_delayed,
    "dataframe": give_dataframe,
}
WRITTEN = {"files": write_files, "groups": write_groups, "hive": write_hive}


@contextmanager
def cluster_of_two():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with cluster_of_two() as client:
        yield client


@pytest.fixture
def doomed():
    """The client of a cluster of its own, which need not outlive the test."""
    with cluster_of_two() as client:
        yield client


def fit(transport, loss="hinge", **params):
    params = {"tol": 1e-6, "random_state": 0, **params}
    return FederatedServer(loss=loss, lambda1=1e-2, lambda2=1e-2, **params).fit(transport)


@pytest.fixture(scope="module")
def expected():
    return fit(at_home(make_table()))


@pytest.mark.parametrize("kind", [*GIVEN, *WRITTEN])
def test_whatever_rows_are_read_from_the_bits_are_those_of_blocks_at_home(
    kind, client, expected, tmp_path
):
    table = make_table()
    options = {} if kind == "arrays" else COLUMNS
    if kind == "hive":
        options = {**COLUMNS, "features": ["x0", "x1", "x2", "x3"]}
    given = (
        GIVEN[kind](table, client)
        if kind in GIVEN
        else WRITTEN[kind](table, tmp_path if kind != "groups" else tmp_path / "rows.parquet")
    )
    with DaskTransport(client, given, **options) as transport:
        assert len(transport.labels_by_block) == 3
        server = fit(transport)
    assert_array_equal(server.nodes_, expected.nodes_)
    assert_array_equal(server.coef_, expected.coef_)
    assert_array_equal(server.intercept_, expected.intercept_)
    assert_array_equal(server.history_["dual_objective"], expected.history_["dual_objective"])


@pytest.mark.parametrize("loss", ["hinge", "squared_error"])
def test_scores_predictions_and_the_objective_are_those_of_the_rows(loss, client, tmp_path):
    X, y, nodes = table = make_table(loss)
    weight = np.random.default_rng(0).uniform(0.5, 2.0, len(y))
    labels = np.unique(nodes)
    parts = [put(client, own) for own in cut((*table, weight))]
    with DaskTransport(client, parts) as transport:
        server = fit(transport, loss)
        scores = transport.score(server)
        paths = transport.predict(server, tmp_path / "out")
        transport.write_coef(server, tmp_path / "coef.parquet")
        with pytest.raises(ValueError, match="path must be new"):
            transport.write_coef(server, tmp_path / "coef.parquet")
        with pytest.raises(ValueError, match="folder must be new or empty"):
            transport.predict(server, tmp_path / "out")
    coef = parquet.read_table(tmp_path / "coef.parquet").to_pandas()
    assert_array_equal(coef["node"], server.nodes_)
    assert_array_equal(coef["intercept"], server.intercept_)
    assert_array_equal(coef[["0", "1", "2", "3"]], server.coef_)
    for l, label in enumerate(labels):
        own = nodes == label
        if own.sum() > 1 or not RECORD_OF[loss].is_regression:
            score = server.model_.score(X[own], y[own], nodes=nodes[own], sample_weight=weight[own])
            assert_allclose(scores[l], score, rtol=1e-12)
        else:
            assert np.isnan(scores[l])
    for place, path in enumerate(paths):
        own = np.isin(nodes, labels[place::3])
        written = parquet.read_table(path).to_pandas()
        assert written["node"].tolist() == nodes[own].tolist()
        assert_array_equal(written["row"], np.arange(own.sum()))
        assert_allclose(written["prediction"], server.predict(X[own], nodes=nodes[own]), rtol=1e-12)
    check_certificate(server, table, weight)


def check_certificate(server, table, weight=None):
    """The objective is that of the rows, and the estimator's optimum lies in the gap."""
    X, y, nodes = table
    model = ESTIMATOR_OF[server.loss](
        loss=server.loss, lambda1=1e-2, lambda2=1e-2, tol=1e-8, max_iter=2000
    )
    model.set_params(intercept_scaling=1.0).fit(X, y, nodes=nodes, sample_weight=weight)
    assert server.dual_gap_ <= server.tol * server.objective_
    assert server.dual_objective_ <= model.objective_ * (1 + 1e-12)
    assert model.dual_objective_ <= server.objective_ * (1 + 1e-12)
    W = np.column_stack([server.coef_, server.intercept_])
    codes = np.searchsorted(server.nodes_, nodes)
    weight = np.ones(len(y)) if weight is None else weight
    share = weight / np.bincount(codes, weight)[codes]
    decision = np.einsum("ij,ij->i", np.column_stack([X, np.ones(len(X))]), W[codes])
    value = share @ loss_values(server.loss, y, decision) + regulariser(W, 1e-2, 1e-2, "learned")
    assert_allclose(value, server.objective_, rtol=1e-9)


def test_what_is_wrong_is_said_before_any_work(client, tmp_path):
    table = make_table()
    path = write_groups(table, tmp_path / "rows.parquet")
    with pytest.raises(TypeError, match=r"client must be a distributed\.Client"):
        DaskTransport("tcp://127.0.0.1:8786", path, **COLUMNS)
    with pytest.raises(TypeError, match="rows must be the path"):
        DaskTransport(client, table)
    for rows in ([], [()]):
        with pytest.raises((ValueError, TypeError), match="rows"):
            DaskTransport(client, rows)
    with pytest.raises(ValueError, match=r"rows must be a Parquet file .* got '/no/file'"):
        DaskTransport(client, "/no/file", **COLUMNS)
    with pytest.raises(ValueError, match="target_column is needed"):
        DaskTransport(client, path, node_column="node")
    with pytest.raises(ValueError, match=r"weight_column names \['w'\]"):
        DaskTransport(client, path, weight_column="w", **COLUMNS)
    for name, value in {
        "max_losses": -1,
        "max_blocks": 0,
        "deadline": 0.0,
        "intercept_scaling": -1.0,
    }.items():
        with pytest.raises(ValueError, match=f"^{name} must be"):
            DaskTransport(client, path, **COLUMNS, **{name: value})


WRONG = {
    "NaN": (lambda f: f.assign(x1=f["x1"].where(f.index != 3)), "'x1' of block 1 holds NaN"),
    "text": (lambda f: f.assign(x2="a"), "'x2' of block 1 must hold real numbers"),
    "target": (lambda f: f.assign(y=np.inf), "'y' of block 1 holds NaN or infinity"),
    "label": (lambda f: f.assign(node=None), "'node' of block 1"),
    "lacking": (lambda f: f.drop(columns="node"), r"node_column names \['node'\], which block 1"),
    "order": (lambda f: f[["x1", "x0", "x2", "x3", "y", "node"]], "the same features in the same"),
    "twice": (lambda f: f.assign(node="0"), "node '0' lies in two blocks.* sort the rows by node"),
    "kinds": (lambda f: f.assign(node=3), "labels of nodes must be of one type"),
}


@pytest.mark.parametrize("spoil, message", WRONG.values(), ids=list(WRONG))
def test_a_block_that_is_wrong_is_named(spoil, message, client):
    frames = [make_frame(own) for own in cut(make_table())]
    labels = frames[0]["node"].iloc[0]
    frames[1] = spoil(frames[1])
    if "'0'" in message:
        frames[1] = frames[1].assign(node=labels)
        message = message.replace("'0'", repr(labels))
    with pytest.raises(ValueError, match=message):
        DaskTransport(client, [put(client, frame) for frame in frames], **COLUMNS)


def test_a_block_of_no_rows_is_left_out_and_blocks_are_dropped_at_the_end(client):
    frames = [make_frame(own) for own in cut(make_table())]
    frames.insert(1, frames[0].iloc[:0])
    with DaskTransport(client, [put(client, frame) for frame in frames], **COLUMNS) as transport:
        assert transport.block_names == ["block 0", "block 2", "block 3"]
    numbers = give_frames(make_table("squared_error"), client)
    with (
        DaskTransport(client, numbers, **COLUMNS) as other,
        pytest.raises(ValueError, match=r"block 0: y must hold -1 and \+1"),
    ):
        fit(other)
    with pytest.raises(RuntimeError, match="is closed"):
        transport.ask("labels", [()] * 3)
    wait_until(lambda: not any(n_actors(client)))


def n_actors(client):
    gc.collect()  # errors that were caught hold the frames of calls, and these their actors
    return client.run(lambda dask_worker: len(dask_worker.state.actors)).values()


def wait_until(what):
    end = time.monotonic() + LONGEST
    while not what():
        assert time.monotonic() < end
        time.sleep(0.05)


class Broken:
    """A call that has come to its worker, whose answer has not come back."""

    def __init__(self, call):
        self._call = call

    def done(self):
        return self._call.done()

    def result(self, timeout):
        self._call.result(timeout=LONGEST)
        raise OSError("the connection is broken")


def test_an_answer_that_does_not_come_back_is_asked_for_again(
    client, expected, tmp_path, monkeypatch
):
    count = 0
    send = Homes._send

    def breaks(homes, block, letter):
        nonlocal count
        count += 1
        call = send(homes, block, letter)
        return Broken(call) if count % 7 == 0 else call

    monkeypatch.setattr(Homes, "_send", breaks)
    with DaskTransport(client, write_files(make_table(), tmp_path), **COLUMNS) as transport:
        server = fit(transport)
        assert transport.n_losses == 0
    assert count > 14
    assert_array_equal(server.coef_, expected.coef_)


def test_many_files_are_put_together(client, expected, tmp_path):
    table = make_table()
    for l, label in enumerate(np.unique(table[2])):
        own = table[2] == label
        frame = make_frame(tuple(array[own] for array in table))
        parquet.write_table(
            pa.Table.from_pandas(frame, preserve_index=False), tmp_path / f"{l}.parquet"
        )
    with DaskTransport(client, tmp_path, max_blocks=2, **COLUMNS) as transport:
        assert len(transport.block_names) == 2
        server = fit(transport)
    assert_array_equal(server.nodes_, expected.nodes_)
    assert server.dual_objective_ <= expected.objective_
    assert expected.dual_objective_ <= server.objective_


# -- workers that are killed ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10 if IS_LONG else 1))
def test_a_fit_whose_workers_are_killed_ends_with_a_certificate(seed, doomed, tmp_path):
    """Or with an error that names the nodes: a cluster may start no others."""
    table = make_table(sizes=SIZES * 8)
    rng = np.random.default_rng(seed)
    killed = []

    with DaskTransport(
        doomed, write_files(table, tmp_path), **COLUMNS, deadline=LONGEST, max_losses=6
    ) as transport:

        def kill():
            while len(killed) < 3 and not over.wait(rng.uniform(0.1, 0.8)):
                pids = list(doomed.run(os.getpid, on_error="ignore").values())
                if pids:
                    killed.append(pids[rng.integers(len(pids))])
                    os.kill(killed[-1], signal.SIGKILL)

        over = threading.Event()
        thread = threading.Thread(target=kill)
        thread.start()
        try:
            start = time.monotonic()
            while len(killed) < 3:
                server = fit(transport, tol=1e-9, max_iter=3000)
                assert time.monotonic() - start < LONGEST
        except FederationError as error:
            assert "of nodes" in str(error)
            return
        finally:
            over.set()
            thread.join(LONGEST)
        assert transport.n_losses > 0
        check_certificate(server, table)


def test_losses_that_cannot_be_mended_are_errors_that_name_nodes(doomed, tmp_path):
    path = write_files(make_table(), tmp_path)
    with DaskTransport(doomed, path, **COLUMNS, max_losses=0) as transport:
        os.kill(min(doomed.run(os.getpid).values()), signal.SIGKILL)
        with pytest.raises(FederationError, match=r"of nodes .*: lost more than max_losses=0"):
            fit(transport)
    wait_until(lambda: len(doomed.nthreads()) == 2)
    with DaskTransport(doomed, path, **COLUMNS) as transport:
        transport._homes._deadline = 1.0
        (pid, *_) = doomed.run(os.getpid).values()
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(FederationError, match=r"of nodes .*: no answer within deadline=1"):
                fit(transport)
        finally:
            os.kill(pid, signal.SIGCONT)
        doomed.cluster.scale(0)
        wait_until(lambda: not doomed.nthreads())
        try:
            with pytest.raises(FederationError, match=r"of nodes .*: no worker is left"):
                fit(transport)
        finally:
            doomed.cluster.scale(2)
    wait_until(lambda: len(doomed.nthreads()) == 2)


def test_without_the_extra_it_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr("skfedmtl.federation._dask.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "skfedmtl\[dask\]"'):
        DaskTransport(None, [])
