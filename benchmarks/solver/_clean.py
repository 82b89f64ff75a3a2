"""Settings and steps of ``clean_error.py``, in a module that workers can import."""

import time
from functools import lru_cache

from _common import load_rows
from _models import METHODS, Rows, Setting, fold_losses, measure

from skfedmtl.model_selection import train_test_split_nodes

__all__ = ["METHODS", "SETTINGS", "TEST_SIZE", "fit_final", "fit_fold", "numbered"]

FINAL_TOL = 1e-5
TEST_SIZE = 0.25  #: of a node's rows

DECADES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
HALF_DECADES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)
PARKINSONS = (1e-4, 1e-3, 1e-2), (1e-2, 3e-2, 1e-1), HALF_DECADES
SETTINGS = {
    # smaller lambdas cost minutes a fit and gain nothing
    "human_activity": Setting(
        "human_activity", "error %", (1e-3, 3e-3, 1e-2, 3e-2), (1e-3, 1e-2), DECADES
    ),
    "activities": Setting("activities", "error %", (1e-3, 1e-2), (1e-3, 1e-2), DECADES[:4]),
    "landmine": Setting("landmine", "error %", DECADES[:3], DECADES[:3], DECADES),
    "landmine balanced": Setting(
        "landmine", "AUC", DECADES[1:], DECADES[1:4], DECADES, balanced=True
    ),
    "parkinsons_total": Setting("parkinsons_total", "RMSE", *PARKINSONS, search_tol=1e-3),
    "parkinsons_motor": Setting("parkinsons_motor", "RMSE", *PARKINSONS, search_tol=1e-3),
    "heart_disease": Setting("heart_disease", "error %", DECADES[:4], DECADES[1:4], DECADES),
}


@lru_cache(maxsize=2)
def _split(data, seed, data_home):
    """Training and test rows, in the units of the source."""
    parts = train_test_split_nodes(
        *load_rows(data, data_home), test_size=TEST_SIZE, random_state=seed
    )
    return Rows(*parts[::2]), Rows(*parts[1::2])


def numbered(number, call):
    """The number and the result of a call; jobs come back in any order."""
    function, arguments = call
    return number, function(*arguments)


def fit_fold(name, method, seed, fold, n_folds, data_home):
    """Loss of every candidate on one fold of the training rows, and its processor time."""
    setting = SETTINGS[name]
    train, _ = _split(setting.data, seed, data_home)
    start = time.process_time()
    losses = fold_losses(setting, method, train, seed, fold, n_folds)
    return losses, time.process_time() - start


def fit_final(name, method, seed, choice, data_home):
    """Measures of a choice on the test rows, and its processor time."""
    setting = SETTINGS[name]
    train, test = _split(setting.data, seed, data_home)
    start = time.process_time()
    measures = measure(setting, method, choice, train, test, {"tol": FINAL_TOL})
    return measures, time.process_time() - start
