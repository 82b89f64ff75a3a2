"""Many fits on the backends of joblib: the same bits on all, and rows that are sent once."""

import contextlib
import shutil
import threading

import joblib
import numpy as np
import pytest
from joblib.externals.loky.backend import queues
from numpy.testing import assert_array_equal

from estimators import climber
from skfedmtl import FMTLClassifier, FMTLRegressor, FMTLRegressorCV, RandomPoisoner
from skfedmtl._report.experiment import Settings, Threat
from skfedmtl._report.plan import Plan, run
from skfedmtl.attack import DamageBound
from skfedmtl.defense import PoisonDetector
from skfedmtl.model_selection import security_curve

N_RESTARTS, N_NODES = 12, 8
THREAT = {"target_nodes": 0.5, "budget": 0.05, "random_state": 0}


def make_table(n=1000, d=60, n_classes=None):
    rng = np.random.default_rng(0)
    X, nodes = rng.normal(size=(n, d)), np.arange(n) % N_NODES
    y = X @ rng.normal(size=d) + rng.normal(size=n)
    if n_classes is not None:
        y = np.digitize(y, np.quantile(y, np.arange(1, n_classes) / n_classes))
    return X, y, nodes


def restarts(table, n_jobs):
    X, y, nodes = table
    params = {"n_restarts": N_RESTARTS, "max_iter": 1, "n_jobs": n_jobs}
    attacker = climber(FMTLRegressor(), **THREAT, **params).fit(X, y, nodes=nodes)
    return attacker.poison_X_, attacker.objective_history_, attacker.estimator_.coef_


def curve(table, n_jobs):
    X, y, nodes = table
    found = security_curve(
        RandomPoisoner(FMTLRegressor(), **THREAT),
        X,
        y,
        nodes=nodes,
        param_name="budget",
        param_range=[0.0, 0.1, 0.2],
        n_repeats=3,
        n_jobs=n_jobs,
    )
    return found.scores, found.clean_scores


def search(table, n_jobs):
    X, y, nodes = table
    model = FMTLRegressorCV(lambda1s=[1e-3, 1e-1], lambda2s=[1e-2], cv=8, n_jobs=n_jobs)
    model.fit(X, y, nodes=nodes)
    return model.cv_results_["mean_test_score"], model.coef_


def bound(table, n_jobs):
    X, y, nodes = table
    model = DamageBound(FMTLClassifier(), **THREAT, max_iter=1, n_jobs=n_jobs)
    model.fit(X, y, nodes=nodes)
    return model.upper_bound_, model.reference_coef_


def report(table, n_jobs):
    settings = Settings("made", 2, 0.05, 0, 1, 1e-2, 1e-2, "squared_error")
    threat = Threat(("direct",), bound=False, remedies=False)
    plan = Plan(table, settings, threat, "made", None, "nodes")
    return [one.scores["rmse"] for results in run(plan, n_jobs) for one in results]


def detector(table, n_jobs):
    X, y, nodes = table
    model = PoisonDetector(FMTLRegressor(), n_jobs=n_jobs).fit(X, y, nodes=nodes)
    return list(model.node_scores_.values())


PLACES = {place.__name__: place for place in (restarts, curve, search, bound, report, detector)}


TABLES = {
    **dict.fromkeys(PLACES, make_table()),
    "bound": make_table(n=240, n_classes=3),
    "report": make_table(n=500, d=30),
}


@pytest.fixture(scope="module")
def expected():
    """What one process finds."""
    return {name: place(TABLES[name], 1) for name, place in PLACES.items()}


def check_same(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def n_bytes(table):
    return sum(array.nbytes for array in table)


@contextlib.contextmanager
def counted_on_loky(monkeypatch):
    """Bytes that go through the pipes to loky's processes."""
    sent, lock, dumps = [0], threading.Lock(), queues.dumps

    def noting(value, **options):
        pickled = dumps(value, **options)
        with lock:
            sent[0] += len(pickled)
        return pickled

    with monkeypatch.context() as patch:
        patch.setattr(queues, "dumps", noting)
        yield sent


def test_loky_maps_rows_of_small_arrays(monkeypatch):
    """A megabyte in arrays each of which is small enough to be sent with every call."""
    table = make_table(n=2070)
    with counted_on_loky(monkeypatch) as sent, joblib.parallel_config("loky"):
        found = restarts(table, 2)
    assert 0 < sent[0] < n_bytes(table)
    check_same(found, restarts(table, 1))


@pytest.mark.parametrize("name", PLACES)
def test_threads_find_what_one_process_does(name, expected):
    with joblib.parallel_config("threading"):
        check_same(PLACES[name](TABLES[name], 2), expected[name])


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed", reason="distributed has the workers")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


def received(client):
    """Bytes that workers have got from each other."""

    def so_far(dask_worker):
        return sum(transfer["total"] for transfer in dask_worker.transfer_incoming_log)

    return sum(client.run(so_far).values())


@contextlib.contextmanager
def counted_on_dask(client, monkeypatch):
    """Bytes that the client sends, and those that workers send to each other."""
    from distributed.comm.tcp import TCP

    sent, write, scheduler = [0], TCP.write, client.scheduler.address

    async def noting(comm, *args, **options):
        written = await write(comm, *args, **options)
        if comm.peer_address == scheduler:
            sent[0] += written
        return written

    before = received(client)
    with monkeypatch.context() as patch:
        patch.setattr(TCP, "write", noting)
        yield sent
    sent[0] += received(client) - before


@pytest.mark.parametrize("name", PLACES)
def test_dask_sends_rows_once(name, expected, client, monkeypatch):
    """To one of two workers, which hands them to the other; reports hand on what they cut out."""
    table = TABLES[name]
    with counted_on_dask(client, monkeypatch) as sent, joblib.parallel_config("dask"):
        check_same(PLACES[name](table, 2), expected[name])
    most = 4 if name == "report" else 3
    assert n_bytes(table) < sent[0] < most * n_bytes(table)


def test_ray_finds_what_one_process_does(expected):
    ray = pytest.importorskip("ray", reason="ray is not installed")
    register_ray = pytest.importorskip("ray.util.joblib").register_ray
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        register_ray()
        with joblib.parallel_config("ray", n_jobs=2):
            for name, place in PLACES.items():
                check_same(place(TABLES[name], None), expected[name])
    finally:
        ray.shutdown()


@pytest.mark.filterwarnings("ignore:Spark")
@pytest.mark.filterwarnings("ignore:`apply_async` is deprecated:DeprecationWarning")
def test_spark_finds_what_one_process_does(expected):
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    joblibspark = pytest.importorskip("joblibspark", reason="joblibspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.getOrCreate()
    try:
        joblibspark.register_spark()
        with joblib.parallel_config("spark", n_jobs=2):
            for name, place in PLACES.items():
                check_same(place(TABLES[name], None), expected[name])
    finally:
        session.stop()
