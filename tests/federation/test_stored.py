"""Nodes whose rows lie in files answer as nodes that have them in memory."""

import copy
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning

from estimators import ESTIMATOR_OF
from federations import LOSSES, SIZES, make_nodes
from oracles.losses import RECORD_OF
from oracles.objective import primal
from skfedmtl._console import main
from skfedmtl._protocol import Greeting, Question, Share, StepOrder, Weights
from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport

PASSES = [loss for loss in LOSSES if not RECORD_OF[loss].is_square]
PARAMS = {"lambda1": 1e-2, "lambda2": 1e-2, "random_state": 0}
ROWS = np.random.default_rng(3).normal(size=(90, 4)) + 0.5
TARGETS = ROWS @ [1.0, -1.0, 0.5, 0.0] - 0.2
WEIGHT = np.random.default_rng(4).integers(0, 4, size=90).astype(float)
INTERCEPTS = ({"fit_intercept": False}, {"intercept_scaling": 2.0}, {"intercept_scaling": None})


def write(folder, name, table, *, parquet, rows_a_group=40):
    """A file of these columns; the target is column 4."""
    if not parquet:
        np.save(folder / f"{name}.npy", table)
        return folder / f"{name}.npy", {"target_column": 4}
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    names = ["a", "b", "c", "d", "y", "s"][: table.shape[1]]
    path = folder / f"{name}.parquet"
    pq.write_table(pa.table(dict(zip(names, table.T, strict=True))), path, rows_a_group)
    return path, {"target_column": "y"}


def targets_of(loss):
    return TARGETS if RECORD_OF[loss].is_regression else np.where(TARGETS > 0.0, 1.0, -1.0)


def alone(node, loss, **params):
    server = FederatedServer(loss=loss, **{**PARAMS, **params})
    return server.fit(LocalTransport({"a": node}))


@pytest.mark.parametrize("solver", ["splitting", "mocha"])
@pytest.mark.parametrize("intercept", INTERCEPTS[:2])
@pytest.mark.parametrize("local_epochs", [1.0, 1.5, 3.0])
@pytest.mark.parametrize("loss", PASSES)
@pytest.mark.filterwarnings("ignore", category=ConvergenceWarning)
def test_a_file_of_one_chunk_has_the_bits_of_memory(
    loss, local_epochs, intercept, solver, tmp_path
):
    """But for shares of dual variables, whose moments are shares of moments."""
    y = targets_of(loss)
    path, columns = write(tmp_path, "a", np.column_stack([ROWS, y, WEIGHT]), parquet=False)
    options = {"loss": loss, "random_state": 0, **intercept}
    stored = FederatedNode.from_file(path, **columns, weight_column=5, chunk_rows=100, **options)
    held = FederatedNode(ROWS, y, sample_weight=WEIGHT, **options)
    found, expected = (
        alone(node, loss, solver=solver, local_epochs=local_epochs, max_iter=8, tol=1e-9)
        for node in (stored, held)
    )
    if loss == "squared_hinge":
        assert_allclose(found.coef_, expected.coef_, rtol=1e-9)
        return
    assert_array_equal(found.coef_, expected.coef_)
    assert found.dual_gap_ == expected.dual_gap_


@pytest.mark.parametrize("parquet", [False, True])
@pytest.mark.parametrize("intercept", INTERCEPTS)
@pytest.mark.parametrize("loss", LOSSES)
def test_certificates_of_chunks_are_true(loss, intercept, parquet, tmp_path):
    """Of four nodes: the objective is that of all rows, and the bound is below the optimum."""
    X, y, nodes, _ = make_nodes(loss)
    codes = np.unique(nodes, return_inverse=True)[1]
    parties = {}
    for l in range(len(SIZES)):
        own = np.column_stack([X[codes == l], y[codes == l]])
        path, columns = write(tmp_path, f"n{l}", own, parquet=parquet, rows_a_group=9)
        options = {**columns, **intercept, "chunk_rows": 6, "random_state": l}
        parties[f"n{l}"] = FederatedNode.from_file(path, loss=loss, **options)
    server = FederatedServer(loss=loss, tol=1e-3, max_iter=400, **PARAMS)
    server.fit(LocalTransport(parties))
    scale = intercept.get("intercept_scaling")
    free = scale is None and RECORD_OF[loss].has_free_intercept
    W = (
        server.coef_
        if free
        else np.column_stack([server.coef_, server.intercept_ / (scale or 1.0)])
    )
    b = server.intercept_ if "fit_intercept" not in intercept else None
    if "fit_intercept" in intercept:
        W = server.coef_
    risk = primal(server.coef_, b, X, y, codes, None, 0.0, 0.0, loss, "none", kappa=1.0)
    ties = np.linalg.svd(W, compute_uv=False).sum() ** 2 + np.sum(W**2)
    assert_allclose(server.objective_, risk + 1e-2 * ties, rtol=1e-9)
    fitted = intercept if free or scale else {"fit_intercept": "fit_intercept" not in intercept}
    best = ESTIMATOR_OF[loss](
        loss=loss, lambda1=1e-2, lambda2=1e-2, tol=1e-8, max_iter=2000, **fitted
    ).fit(X, y, nodes=nodes)
    assert server.dual_objective_ <= best.objective_ * (1.0 + 1e-12)
    assert best.dual_objective_ <= server.objective_ * (1.0 + 1e-12)
    assert 0.0 <= server.dual_gap_ <= 1e-3 * server.objective_


def test_the_squared_error_needs_one_reading_and_few_rounds(tmp_path):
    path, columns = write(tmp_path, "a", np.column_stack([ROWS, TARGETS]), parquet=False)
    node = FederatedNode.from_file(path, loss="squared_error", chunk_rows=7, **columns)
    path.unlink()
    server = alone(node, "squared_error", relationship="none", tol=1e-10, max_iter=10)
    A = np.column_stack([ROWS, np.ones(90)])
    ridge = np.linalg.solve(A.T @ A / 90 + 1e-2 * np.eye(5), A.T @ TARGETS / 90)
    assert_allclose([*server.coef_[0], server.intercept_[0]], ridge, rtol=1e-4)
    assert server.dual_gap_ <= 1e-10 * server.objective_


def test_means_far_above_the_spread_leave_it(tmp_path):
    """Squared and summed they would leave nothing of it."""
    far = np.column_stack([1e8 + ROWS, TARGETS])
    path, columns = write(tmp_path, "a", far, parquet=False)
    options = {"loss": "squared_error", "intercept_scaling": None, "chunk_rows": 11}
    server = alone(FederatedNode.from_file(path, **columns, **options), "squared_error")
    X, y = far[:, :4] - far[:, :4].mean(axis=0), TARGETS - TARGETS.mean()
    near = FederatedNode(X, y, loss="squared_error", fit_intercept=False, random_state=0)
    expected = alone(near, "squared_error", tol=1e-9, max_iter=200)
    assert_allclose(server.objective_, expected.objective_, rtol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_messages_tell_of_the_rows(loss, tmp_path):
    """What is answered from memory is what the rows say, after whatever was asked."""
    y = targets_of(loss)
    path, columns = write(tmp_path, "a", np.column_stack([ROWS, y]), parquet=False)
    party = FederatedNode.from_file(
        path, loss=loss, fit_intercept=False, chunk_rows=13, random_state=0, **columns
    )._node
    record = RECORD_OF[loss]
    w = np.array([0.3, -0.2, 0.1, 0.0])
    told = party.greet(Greeting(w))
    assert_allclose(told.loss, record.value(y, ROWS @ w).mean(), rtol=1e-12)
    assert_allclose(told.squared_norm, np.square(ROWS).sum() / 90, rtol=1e-12)
    for epochs, asked in ((1.0, w), (1.0, np.zeros(0)), (2.5, 2.0 * w), (1.25, 0.0 * w)):
        step = party.step(StepOrder(w, asked, 0.5, epochs))
        at = asked if len(asked) else w + step.v / 0.5
        assert_allclose(step.loss, record.value(y, ROWS @ at).mean(), rtol=1e-12)
        # the plane of the answer lies below the loss everywhere: Fenchel and Young
        for u in (w, at, -w, 3.0 * w):
            assert record.value(y, ROWS @ u).mean() + step.conjugate >= -step.v @ u - 1e-12
        party.keep(Share(0.5))
        kept = party.tell(Question(tighten=True))
        assert_allclose(kept.v, 0.5 * step.v, rtol=1e-12)
        assert_allclose(
            party.price(Weights(-w)).loss, record.value(y, -ROWS @ w).mean(), rtol=1e-12
        )
        if loss != "squared_error":
            assert_allclose(step.v, ROWS.T @ party.state()["draft"] / 90, rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("loss", "epochs", "readings"),
    [
        ("hinge", 1.0, 1),
        ("hinge", 1.5, 2),
        ("hinge", 2.0, 3),
        ("logistic", 1.0, 1),
        ("logistic", 1.5, 1),
        ("squared_hinge", 3.0, 3),
    ],
)
def test_a_step_of_one_pass_is_one_reading(loss, epochs, readings, tmp_path, monkeypatch):
    """Of the hinge, with few rows, more passes take one more."""
    path, columns = write(tmp_path, "a", np.column_stack([ROWS, targets_of(loss)]), parquet=False)
    node = FederatedNode.from_file(
        path, loss=loss, fit_intercept=False, chunk_rows=10, random_state=0, **columns
    )
    party, table = node._node, node._problem._rows._table
    party.greet(Greeting(np.zeros(4)))
    read = []
    real = type(table).read
    monkeypatch.setattr(type(table), "read", lambda self, b: read.append(b) or real(self, b))
    party.step(StepOrder(np.zeros(4), np.ones(4), 1.0, epochs))
    party.keep(Share(1.0))
    party.tell(Question(tighten=True))
    assert (readings - 1) * 9 < len(read) <= readings * 9


@pytest.mark.parametrize("twin", [copy.deepcopy, lambda node: pickle.loads(pickle.dumps(node))])
def test_a_copy_reads_the_same_file(twin, tmp_path):
    pytest.importorskip("pyarrow")
    table = np.column_stack([ROWS, targets_of("hinge")])
    path, columns = write(tmp_path, "a", table, parquet=True)
    node = FederatedNode.from_file(path, loss="hinge", random_state=0, chunk_rows=7, **columns)
    fits = [alone(one, "hinge", tol=1e-2) for one in (twin(node), node)]
    assert_array_equal(fits[0].coef_, fits[1].coef_)


@pytest.mark.parametrize("loss", ["logistic", "squared_error"])
def test_a_state_is_of_these_rows(loss, tmp_path):
    table = np.column_stack([ROWS, targets_of(loss)])
    path, columns = write(tmp_path, "a", table, parquet=False)
    options = {"loss": loss, "state_dir": tmp_path / "state", "random_state": 0, **columns}
    alone(FederatedNode.from_file(path, **options), loss)
    again = FederatedNode.from_file(path, **options)
    assert again._node.state()["n_orders"] > 0
    table[3, 2] += 1e-9
    np.save(path, table)
    assert FederatedNode.from_file(path, **options)._node.state()["n_orders"] == 0


def test_columns_are_taken_by_name_and_in_order(tmp_path):
    """Float32, integers and text among them."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    ill = np.where(TARGETS > 0.0, "yes", "no")
    counts = np.arange(90) % 5
    columns = {"ill": ill, "n": counts, "a": ROWS[:, 0].astype(np.float32), "name": ill}
    pq.write_table(pa.table(columns), path, row_group_size=25)
    node = FederatedNode.from_file(
        path,
        loss="hinge",
        target_column="ill",
        positive="yes",
        features=["a", "n"],
        chunk_rows=100,
        random_state=0,
    )
    X = np.column_stack([ROWS[:, 0].astype(np.float32).astype(float), counts])
    rows = np.concatenate([part for _, part in node._problem._rows.chunks()])
    assert_array_equal(rows[:, :2], X)
    assert_array_equal(node._problem.nodes.party(0)._y, np.where(TARGETS > 0.0, 1.0, -1.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_column": "y"}, "^target_column must name columns of an .npy by their places"),
        ({"target_column": 9}, "^target_column must name .* from 0 to 4, got 9"),
        ({"features": "a"}, "^features must be None or a list"),
        ({"features": [0, 4]}, "^features must name neither"),
        ({"features": [7]}, "^features must name columns"),
        ({"features": []}, "^path must hold rows and features, got 90 rows of 0 features"),
        ({"weight_column": 1}, "^weight_column must be at least 0"),
        ({"chunk_rows": 0}, "^chunk_rows must be None or a whole number of at least 1, got 0"),
        ({"loss": "logistic"}, "^target_column must hold -1 and \\+1 with loss='logistic'"),
        ({"loss": "huber"}, "^loss must be one of"),
        ({"min_rows": 91}, "^path has 90 rows of some weight, fewer than min_rows=91"),
        ({"max_row_norm": 0.5}, "^max_row_norm=0.5, but"),
        ({"path": 3}, "^path must name a file"),
        ({"path": "rows.txt"}, "^path must name an .npy or .parquet file"),
        ({"random_state": -1}, "^random_state must be"),
    ],
    ids=str,
)
def test_what_is_not_allowed_is_named(change, message, tmp_path):
    path, columns = write(tmp_path, "a", np.column_stack([ROWS, TARGETS]), parquet=False)
    given = {"path": path, "loss": "squared_error", **columns, **change}
    with pytest.raises(ValueError, match=message):
        FederatedNode.from_file(**given)


def test_files_that_hold_no_rows_are_refused(tmp_path):
    options = {"loss": "squared_error", "target_column": 4}
    with pytest.raises(FileNotFoundError, match=r"there is no .*none\.npy"):
        FederatedNode.from_file(tmp_path / "none.npy", **options)
    path, _ = write(tmp_path, "a", ROWS[:, 0], parquet=False)
    with pytest.raises(ValueError, match=r"^path must name an array of real numbers of shape"):
        FederatedNode.from_file(path, **options)
    table = np.column_stack([ROWS, TARGETS])
    table[50, 1] = np.nan
    path, _ = write(tmp_path, "a", table, parquet=False)
    with pytest.raises(ValueError, match=r"^path holds NaN, infinity .* in rows 45 to 59"):
        FederatedNode.from_file(path, chunk_rows=15, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_column": "z"}, "^target_column must name columns of .*, got 'z'"),
        ({"features": ["a", "t"]}, "^features must be columns of numbers, 't' .* holds string"),
        ({"features": ["a", "gap"]}, "^path must have no missing values, column 'gap' has some"),
        ({"target_column": "gap"}, "^path must have no missing values, column 'gap' has some"),
    ],
    ids=str,
)
def test_columns_of_parquet_are_numbers(change, message, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    gap = [None, *range(29)]
    columns = {"a": ROWS[:30, 0], "y": TARGETS[:30], "t": ["x"] * 30, "gap": gap}
    pq.write_table(pa.table(columns), path)
    given = {"loss": "squared_error", "target_column": "y", "features": ["a"], **change}
    with pytest.raises(ValueError, match=message):
        FederatedNode.from_file(path, **given)


def test_a_file_that_has_shrunk_is_no_answer(tmp_path):
    """It is told by a code, and no number of the rows with it."""
    pytest.importorskip("pyarrow")
    table = np.column_stack([ROWS, targets_of("hinge")])
    path, columns = write(tmp_path, "a", table, parquet=True)
    node = FederatedNode.from_file(path, loss="hinge", **columns)
    path.unlink()
    with pytest.raises(RuntimeError, match="failed; its own log says how"):
        alone(node, "hinge")


@pytest.mark.parametrize(
    ("name", "more", "message"),
    [
        ("a.npy", ("--target", "4"), "rows stay in"),
        ("a.npy", ("--target", "y"), "--target must be the place of a column of"),
        ("a.npy", (), "--target must name a column of"),
        ("a.txt", (), "--data must name an .npz, .csv, .npy or .parquet file"),
    ],
)
def test_the_command_leaves_rows_where_they_are(name, more, message, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.column_stack([ROWS, TARGETS]))
    command = ["node", "--data", str(tmp_path / name), "--loss", "squared_error", *more]
    assert main([*command, "--certificates", str(tmp_path / "none")]) in (1, 2)
    assert message in capsys.readouterr().err


def test_the_hinge_of_many_rows_steps_by_curvature(tmp_path):
    """A smoothed kink leaves of the gap what its width allows."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(6000, 2)) + 0.3
    y = np.where(X @ [1.0, -0.5] + rng.normal(size=6000) > 0.0, 1.0, -1.0)
    np.save(tmp_path / "a.npy", np.column_stack([X, y]))
    node = FederatedNode.from_file(
        tmp_path / "a.npy", loss="hinge", target_column=2, chunk_rows=500, random_state=0
    )
    server = alone(node, "hinge", local_epochs=1.0, tol=2e-3, max_iter=60)
    assert 0.0 <= server.dual_gap_ <= 2e-3 * server.objective_
    best = FederatedNode(X, y, loss="hinge", random_state=0)
    expected = alone(best, "hinge", tol=1e-4, max_iter=300)
    assert server.dual_objective_ <= expected.objective_
    assert expected.dual_objective_ <= server.objective_


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
def test_steps_by_curvature_solve_what_they_are_asked(loss, tmp_path):
    """From far away, where whole Newton steps may overshoot: ``w = b + v(a) / rho`` in the end."""
    y = targets_of(loss)
    np.save(tmp_path / "a.npy", np.column_stack([30.0 * ROWS, y]))
    party = FederatedNode.from_file(
        tmp_path / "a.npy", loss=loss, target_column=4, fit_intercept=False, chunk_rows=9
    )._node
    party.greet(Greeting(np.zeros(4)))
    base, rho = np.array([5.0, 5.0, -5.0, 5.0]), 0.01
    step = party.step(StepOrder(base, np.zeros(0), rho, 60.0))
    w = base + step.v / rho
    slope = party._loss.derivative(y, 30.0 * ROWS @ w)
    assert_allclose(rho * (w - base), -30.0 * ROWS.T @ slope / 90, atol=1e-6)
