"""What the options of ``skfedmtl report`` choose from, by name."""

#: of `skfedmtl._report.data.DATASETS`, named here as a help text needs none of what loads them
DATASET_NAMES = (
    "flights",
    "flights-late",
    "parkinsons",
    "parkinsons-motor",
    "landmine",
    "human-activity",
    "heart",
)
ATTACKS = ("direct", "indirect", "hybrid")
BOUNDS_OF = ("first", "all")  #: repetitions
TASKS = ("auto", "classification", "regression")


def wrong_with_share(value: float, given: object) -> str:
    """Why a share is none, as it was given; nothing of one that is."""
    if value <= 1.0:
        return ""
    return f"must be a share of at most 1, where 0.1 is 10 %, got {given!r}"
