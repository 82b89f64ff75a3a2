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
