"""One node: the attack beside those of ART and SecML, on their own ground.

scikit-learn's breast cancer rows, every feature min-max scaled over all rows, are split, by class
and seed, into 100 for training, 100 for validation and 369 for the test. Each attack injects 10
rows, which begin as the same training rows with the other label, may lie anywhere in [0, 1]^30,
and are to raise the loss of the validation rows; the test rows judge it. The radius is that of the
box, sqrt(30), and so never binds.

Victims, as a user of scikit-learn knows them
    svm      ``SVC(kernel="linear", C=1)``; here ``FMTLClassifier(relationship="none")`` with
             ``lambda2 = 1 / (2 C n)``, its intercept the weight of a constant feature
    ridge    ``RidgeClassifier(alpha=1)``, least squares on -1 and +1; here ``FMTLRegressor`` with
             ``lambda2 = alpha / n``

where n = 110, clean and injected rows: the penalties match where the victim is poisoned. The clean
and the random victim are fitted for this table with the n of their own rows.

Nothing of `PoisoningAttacker` is tuned: all but the threat model is at its default, for both
victims and all seeds. The rows with "x 4" have ``n_restarts=4``: three more starts, drawn anew, of
which the attack itself keeps the one that ends with the highest loss of the validation rows. SecML
runs with steps of 0.05 and at most 100 of them a row, ART with steps of 0.1 and at most 100. A peer
that cannot be imported, or fails, gets a row that says so.

How to read the table
    seed              of the split; nothing else differs
    clean, random,    test accuracy of the attacked victim: fitted without injected rows, with
    poisoned          those that all attacks start from, with those that the attack ends with
    peer              test accuracy of scikit-learn's own victim on the same poisoned rows,
                      one judge for all attacks
    loss              mean loss of the validation rows under that judge: what attacks raise
    first s           wall-clock seconds of the first attack, from data to poisoned victim
    s                 the best of ``--repeats`` later ones; blank for peers, which run once
    cpu s             processor seconds, the best of all, which other work disturbs less
    fits              victims fitted in one attack, and re-fitted after changes of its rows

    python benchmarks/attack/peers.py [--output DIR] [--repeats N] [--only NAME ...]

SecML 0.15.6 asks for an older Python but runs with numpy 1.26 and scikit-learn 1.6:
``pip install --no-deps --ignore-requires-python secml==0.15.6``.
"""

import logging
import os
import sys
import tempfile
import time
from collections import namedtuple
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _common import at_least_one, make_parser, print_table, write_csv
from _timing import watched

from skfedmtl import (
    FMTLClassifier,
    FMTLRegressor,
    PoisoningAttacker,
    RandomPoisoner,
)
from skfedmtl._protocol.problem import FederatedProblem
from skfedmtl._solvers.follower import Follower

SEEDS = (0, 1, 2)
N_TRAIN, N_VALIDATION, N_INJECTED = 100, 100, 10
C = ALPHA = 1.0
VICTIMS = ("svm", "ridge")
SECML_SOLVER = {"eta": 0.05, "eta_min": 0.05, "eta_max": None, "max_iter": 100, "eps": 1e-6}
ART_STEP, ART_EPS, ART_STEPS = 0.1, 1.0, 100
COLUMNS = {
    "attack": "s",
    "victim": "s",
    "seed": "s",
    "clean": ".3f",
    "random": ".3f",
    "poisoned": ".3f",
    "peer": ".3f",
    "loss": ".3f",
    "first s": ".3f",
    "s": ".3f",
    "cpu s": ".3f",
    "fits": "d",
}
MEANS = ("clean", "random", "poisoned", "peer", "loss", "s", "cpu s")

#: Rows and classes 0 and 1 of the three parts, and the start of the injected rows.
Split = namedtuple("Split", "X y X_val y_val X_test y_test X_start y_start")


def load_split(seed):
    """The three parts of the data, and the injected rows before an attack moves them."""
    X, y = load_breast_cancer(return_X_y=True)
    X = MinMaxScaler().fit_transform(X)
    n = N_TRAIN + N_VALIDATION
    X, X_test, y, y_test = train_test_split(X, y, train_size=n, stratify=y, random_state=seed)
    X, X_val, y, y_val = train_test_split(X, y, train_size=N_TRAIN, stratify=y, random_state=seed)
    start = RandomPoisoner(make_victim("svm"), labels="flip", **threat(X)).fit(X, y)
    return Split(X, y, X_val, y_val, X_test, y_test, start.poison_X_, start.poison_y_)


def threat(X):
    """What all attacks are allowed, as parameters of ours."""
    return {
        "target_nodes": 1.0,
        "budget": N_INJECTED / N_TRAIN,
        "radius": np.sqrt(X.shape[1]),
        "feature_range": (0.0, 1.0),
        "random_state": 0,
    }


def make_victim(kind, n=N_TRAIN + N_INJECTED):
    """Ours, penalised as the peer's victim is on `n` rows."""
    options = {"lambda1": 0.0, "relationship": "none", "random_state": 0}
    if kind == "svm":
        return FMTLClassifier(lambda2=1.0 / (2.0 * C * n), **options)
    return FMTLRegressor(lambda2=ALPHA / n, **options)


def make_peer(kind):
    """scikit-learn's victim."""
    return SVC(kernel="linear", C=C) if kind == "svm" else RidgeClassifier(alpha=ALPHA)


def encode(kind, y):
    """Classes as the victim takes them."""
    return y if kind == "svm" else 2.0 * y - 1.0


def accuracy(model, X, y):
    """Share of the rows for which the sign of the decision is right."""
    decide = getattr(model, "decision_function", model.predict)
    return np.mean((decide(X) > 0.0) == y)


def judge(kind, data, rows, labels):
    """Test accuracy and validation loss of scikit-learn's victim with these rows injected."""
    model = make_peer(kind).fit(np.vstack([data.X, rows]), np.append(data.y, labels))
    z = (2 * data.y_val - 1) * model.decision_function(data.X_val)
    loss = np.maximum(0.0, 1.0 - z) if kind == "svm" else np.square(1.0 - z)
    return {"peer": accuracy(model, data.X_test, data.y_test), "loss": loss.mean()}


# -- the attacks: rows, labels, and the poisoned accuracy if the victim is not scikit-learn's ------


def run_ours(kind, data, n_restarts=1):
    """`PoisoningAttacker`."""
    labels = "flip" if kind == "svm" else "extreme"
    attacker = PoisoningAttacker(
        make_victim(kind), init="clean", labels=labels, n_restarts=n_restarts, **threat(data.X)
    )
    y, y_val = encode(kind, data.y), encode(kind, data.y_val)
    attacker.fit(data.X, y, X_target=data.X_val, y_target=y_val)
    poisoned = accuracy(attacker.estimator_, data.X_test, data.y_test)
    return attacker.poison_X_, (attacker.poison_y_ > 0).astype(int), poisoned


def run_secml(kind, data):
    """CAttackPoisoningSVM or CAttackPoisoningRidge."""
    from secml.adv.attacks import CAttackPoisoningRidge, CAttackPoisoningSVM
    from secml.array import CArray
    from secml.data import CDataset
    from secml.ml.classifiers import CClassifierRidge, CClassifierSVM

    if kind == "svm":
        attack, victim = CAttackPoisoningSVM, CClassifierSVM(kernel="linear", C=C)
    else:
        attack, victim = CAttackPoisoningRidge, CClassifierRidge(alpha=ALPHA)
    training = CDataset(data.X, data.y)
    victim.fit(training.X, training.Y)
    poisoner = attack(
        victim,
        training_data=training,
        val=CDataset(data.X_val, data.y_val),
        lb=0,
        ub=1,
        solver_params=dict(SECML_SOLVER),
        init_type="random",
        random_seed=0,
    )
    poisoner.n_points = N_INJECTED
    start = CDataset(data.X_start, data.y_start)
    found = poisoner.run(CArray(data.X_test), CArray(data.y_test), ds_init=start)[2]
    return found.X.tondarray(), found.Y.tondarray(), None


def run_art(kind, data):
    """PoisoningAttackSVM."""
    from art.attacks.poisoning import PoisoningAttackSVM
    from art.estimators.classification import SklearnClassifier

    one_hot = np.eye(2)
    victim = SklearnClassifier(model=make_peer(kind), clip_values=(0.0, 1.0))
    victim.fit(data.X, one_hot[data.y])
    known = data.X, one_hot[data.y], data.X_val, one_hot[data.y_val]
    np.random.seed(0)  # noqa: NPY002 - it adds global random numbers to the matrix that it inverts
    poisoner = PoisoningAttackSVM(victim, ART_STEP, ART_EPS, *known, ART_STEPS, verbose=False)
    rows, labels = poisoner.poison(data.X_start.copy(), one_hot[data.y_start])
    return rows, labels.argmax(axis=1), None


#: Name -> how to run it, its victims, whether it is ours.
ATTACKS = {
    "skfedmtl": (run_ours, VICTIMS, True),
    "skfedmtl x 4": (partial(run_ours, n_restarts=4), VICTIMS, True),
    "SecML": (run_secml, VICTIMS, False),
    "ART": (run_art, ("svm",), False),
}


def measure(name, kind, seed, repeats):
    """One row of the table."""
    run, _, ours = ATTACKS[name]
    data = load_split(seed)
    solvers = {"hard": (FederatedProblem, "solve"), "followed": (Follower, "solve")}
    if not ours:
        solvers = {"peer": (type(make_peer(kind)), "fit")}
    times = []
    for _ in range(repeats + 1 if ours else 1):
        with watched(solvers) as fits:
            begin = np.array([time.perf_counter(), time.process_time()])
            rows, labels, poisoned = run(kind, data)
            times.append(np.array([time.perf_counter(), time.process_time()]) - begin)
    row = {"attack": name, "victim": kind, "seed": str(seed), **references(kind, data, ours)}
    verdict = judge(kind, data, rows, labels)
    row["poisoned"] = verdict["peer"] if poisoned is None else poisoned
    row.update(verdict)
    row["first s"] = times[0][0]
    if ours:
        row["s"] = np.min(times[1:], axis=0)[0]
    row["cpu s"], row["fits"] = np.min(times, axis=0)[1], sum(part.calls for part in fits.values())
    return row


def references(kind, data, ours):
    """Test accuracy of the attack's own victim, clean and with the rows that it starts from."""
    y, y_start = data.y, data.y_start
    if ours:
        clean, random = make_victim(kind, N_TRAIN), make_victim(kind)
        y, y_start = encode(kind, y), encode(kind, y_start)
    else:
        clean, random = make_peer(kind), make_peer(kind)
    clean.fit(data.X, y)
    random.fit(np.vstack([data.X, data.X_start]), np.append(y, y_start))
    pair = {"clean": clean, "random": random}
    return {key: accuracy(model, data.X_test, data.y_test) for key, model in pair.items()}


def mean_row(rows):
    """The mean over the seeds."""
    means = {key: np.mean([row[key] for row in rows]) for key in MEANS if key in rows[0]}
    return {"attack": rows[0]["attack"], "victim": rows[0]["victim"], "seed": "mean", **means}


def main(argv=None):
    """Attack, print and write."""
    parser = make_parser(__doc__, Path(__file__).with_name("results"))
    parser.add_argument(
        "--repeats", type=at_least_one, default=5, help="later attacks timed (default: 5)"
    )
    parser.add_argument("--only", nargs="+", choices=list(ATTACKS), default=list(ATTACKS))
    arguments = parser.parse_args(argv)
    logging.disable(logging.WARNING)  # the peers log every step
    table = []
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("SECML_HOME_DIR", folder)
        for name in arguments.only:
            for kind in ATTACKS[name][1]:
                print(f"running {name} against {kind} ...", file=sys.stderr, flush=True)
                try:
                    rows = [measure(name, kind, seed, arguments.repeats) for seed in SEEDS]
                    table += [*rows, mean_row(rows)]
                except Exception as error:
                    if ATTACKS[name][2]:
                        raise
                    print(f"{name}: {error}", file=sys.stderr)
                    note = "not installed" if isinstance(error, ImportError) else "failed"
                    table.append({"attack": name, "victim": kind, "seed": note})
    print_table(COLUMNS, table)
    write_csv(arguments.output / "peers.csv", table)


if __name__ == "__main__":
    main()
