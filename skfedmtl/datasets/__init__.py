"""Data sets whose rows belong to nodes: airlines, patients, hospitals, subjects, land mine fields.

``load_flights`` needs no file but the package's own; the ``fetch_*`` functions download what is not
in the data home yet (see :func:`get_data_home`); ``load_endad`` reads a file that you hold; the
``make_*`` functions draw at random.
"""

from skfedmtl.datasets._base import get_data_home
from skfedmtl.datasets._endad import load_endad, make_endad_like
from skfedmtl.datasets._flights import load_flights
from skfedmtl.datasets._heart_disease import fetch_heart_disease
from skfedmtl.datasets._human_activity import fetch_human_activity
from skfedmtl.datasets._landmine import fetch_landmine
from skfedmtl.datasets._made import make_federated_classification, make_federated_regression
from skfedmtl.datasets._parkinsons import fetch_parkinsons

__all__ = [
    "fetch_heart_disease",
    "fetch_human_activity",
    "fetch_landmine",
    "fetch_parkinsons",
    "get_data_home",
    "load_endad",
    "load_flights",
    "make_endad_like",
    "make_federated_classification",
    "make_federated_regression",
]
