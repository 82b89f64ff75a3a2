"""Human activity from a phone's motion sensors, one node a person."""

import io
from collections import Counter
from collections.abc import Mapping

import numpy as np

from skfedmtl._tools.layout import Field
from skfedmtl.datasets._base import check_download, check_output, make_result
from skfedmtl.datasets._fetch import fetch_arrays
from skfedmtl.datasets._source import Member, Source

__all__ = ["fetch_human_activity"]


def _parse(contents: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """Stack the training part and the test part, in that order."""

    def stack(name, dtype):
        return np.concatenate(
            [
                np.loadtxt(io.BytesIO(contents[f"{part}/{name}_{part}.txt"]), dtype=dtype)
                for part in ("train", "test")
            ]
        )

    def names(name):
        lines = contents[name].decode("ascii").splitlines()
        return np.array([line.split()[1] for line in lines])

    n_training = len(contents["train/y_train.txt"].split())
    y = stack("y", np.int8)
    return {
        "X": stack("X", np.float32),
        "y": y,
        "nodes": stack("subject", np.int16),
        "original_split": (np.arange(len(y)) >= n_training).astype(np.int8),
        "feature_names": names("features.txt"),
        "activity_names": names("activity_labels.txt"),
    }


# The sha256 of the publishers' archives is not known. The members' are those of files whose git
# object ids two independent repositories agree on; the last address is one of the two.
SOURCE = Source(
    "human_activity",
    "52cbdcca9f65dc50c2ddb27f2b56dc3726a9b4d11af105d894d9f9d6e9ff43d9",
    {
        "X": Field((10299, 561), "float32", -1, 1),
        "y": Field((10299,), "int8", 1, 6),
        "nodes": Field((10299,), "int16", 1, 30),
        "original_split": Field((10299,), "int8", 0, 1),
        "feature_names": Field((561,), "strings"),
        "activity_names": Field((6,), "strings"),
    },
    (
        Member(
            "activity_labels.txt",
            80,
            "f6e6b292704438261f0283b2a82659ab0661447dc16520938bdf379ed1bf8de0",
        ),
        Member(
            "features.txt",
            15785,
            "b384889885b1c8680ecf250e0e605b4c79536cdf09ce9f2fa7225a3c6773b5c7",
        ),
        Member(
            "train/X_train.txt",
            66006256,
            "9c1246099c8d5463779eec5a3845cc3898df9d8c715441ab2a1232d4421fc42f",
        ),
        Member(
            "train/y_train.txt",
            14704,
            "415b3357e2e2d5e70a45c781947c6bdd80e0410a579d862eedcd6bbce3c694ef",
        ),
        Member(
            "train/subject_train.txt",
            20152,
            "66e1e2fbe9b396fa5155f531dc3348c803f503be663e2318772d49947db9153a",
        ),
        Member(
            "test/X_test.txt",
            26458166,
            "99035209add50d17650e847d8a4658d784a5707466ebb7c2deb97c28e5250a78",
        ),
        Member(
            "test/y_test.txt",
            5894,
            "2a94cb53ca46b956c1b2aebd4a09a72badd8a8e9ea9cdfe9f31b3306a08666bb",
        ),
        Member(
            "test/subject_test.txt",
            7934,
            "63b8c577f4a85431c06bd87f6384608c90a9f72f05c7956dd21255dc63515c07",
        ),
    ),
    (
        "https://archive.ics.uci.edu/static/public/240/"
        "human+activity+recognition+using+smartphones.zip",
        "https://archive.ics.uci.edu/ml/machine-learning-databases/00240/UCI%20HAR%20Dataset.zip",
        "https://raw.githubusercontent.com/infinawaz/FedHAR-UCI/"
        "14e0cc322e5efccde292eb1ff1de0af6fbb3e96b/",
    ),
    ("human+activity+recognition+using+smartphones.zip", "UCI HAR Dataset.zip"),
    _parse,
    folder="UCI HAR Dataset",
)


def fetch_human_activity(
    *,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    as_frame=False,
    return_X_y_nodes=False,
):
    """Read the human activity data: a phone's motion sensors, one node a person (6 classes).

    =================   ===================================
    Samples total       10299
    Features            561, real, -1 to 1
    Nodes               30 people, 281 to 409 rows each
    Classes             6
    =================   ===================================

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder where the data are looked for and kept: see :func:`get_data_home`. Put there
        by hand, `human_activity.npz`, the publishers' zip archive, or the
        unpacked folder `UCI HAR Dataset` is used.

    download_if_missing : bool, default=True
        If False, raise an OSError instead of downloading what is not in `data_home`.

    n_retries : int, default=3
        How often to go through the addresses again when none of them has answered.

    delay : float, default=1.0
        Seconds to wait before that.

    as_frame : bool, default=False
        If True, `data` is a pandas DataFrame, `target` and `nodes` are pandas Series, and `frame`
        holds them all. Needs pandas.

    return_X_y_nodes : bool, default=False
        If True, return `(data, target, nodes)` instead of a Bunch.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with these attributes.

        data : ndarray or DataFrame of shape (10299, 561), dtype float32
            Features of the acceleration and rotation, without unit. They stay float32, as the file
            holds them: the published text is matched to 3e-8.
        target : ndarray or Series of shape (10299,), dtype int64
            The activity, 1 to 6.
        nodes : ndarray or Series of shape (10299,), dtype int64
            The person, 1 to 30.
        feature_names : list of 561 str
            The published names. 42 of them occur three times each; the second and third occurrence
            end in `_2` and `_3`, so that all differ.
        target_names : ndarray of 6 str
            `target_names[target - 1]` is the activity.
        frame : DataFrame of shape (10299, 563) or None
            The features, `node` and `activity`. None unless `as_frame=True`.
        DESCR : str
            The full description, with licence and source.

    (X, y, nodes) : tuple
        `data`, `target` and `nodes` as above, if `return_X_y_nodes=True`.

    Raises
    ------
    OSError
        If the data are not in the data home and could not be downloaded, or are not the expected
        ones: sizes and sha256 of the files are checked, and the arrays made of them.
    TypeError
        If an argument is of another type than stated.
    ValueError
        If `n_retries` or `delay` is negative.
    ImportError
        If `as_frame=True` and pandas is not installed.

    Warns
    -----
    RuntimeWarning
        If what was downloaded cannot be kept, on a full disk say: it will be downloaded again.

    References
    ----------
    .. [1] D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz, "A Public Domain Dataset for
       Human Activity Recognition Using Smartphones", ESANN 2013. DOI 10.24432/C54S4K.

    Examples
    --------
    >>> from skfedmtl.datasets import fetch_human_activity
    >>> X, y, nodes = fetch_human_activity(return_X_y_nodes=True)  # doctest: +SKIP
    """
    check_output(as_frame, return_X_y_nodes)
    check_download(download_if_missing, n_retries, delay)
    arrays = fetch_arrays(SOURCE, data_home, download_if_missing, n_retries, delay)
    return make_result(
        arrays["X"],
        arrays["y"].astype(np.int64),
        arrays["nodes"].astype(np.int64),
        feature_names=_number_repeats(arrays["feature_names"].tolist()),
        target_column="activity",
        descr="human_activity.rst",
        as_frame=as_frame,
        return_X_y_nodes=return_X_y_nodes,
        extra={"target_names": arrays["activity_names"]},
    )


def _number_repeats(names: list[str]) -> list[str]:
    """Append `_2`, `_3`, ... to the second, third, ... occurrence of a name."""
    seen: Counter[str] = Counter()
    unique = []
    for name in names:
        seen[name] += 1
        unique.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return unique
