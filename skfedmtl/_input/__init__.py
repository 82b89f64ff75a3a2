"""What users hand over, read in one place each: rows, nodes, labels, targets, weights, tables."""

from skfedmtl._input.features import holds_words, oddly_scaled, read_features
from skfedmtl._input.labelled import (
    in_order,
    is_labelled,
    labelled,
    read_square_frame,
    refuse_half_labelled,
    series_names,
)
from skfedmtl._input.labels import (
    LARGEST_WHOLE,
    MAX_DENSE_NODES,
    as_labels,
    as_unique_labels,
    check_nodes,
    is_missing,
    kind_name,
    listing,
    with_article,
)
from skfedmtl._input.nodes import (
    as_table,
    column_position,
    encode_nodes,
    from_nodes,
    lookup_nodes,
    split_node_column,
    take_nodes,
)
from skfedmtl._input.polars import from_polars, refuse_lazy, to_polars
from skfedmtl._input.sample_weight import read_weights
from skfedmtl._input.sparse import check_dense
from skfedmtl._input.tables import n_rows, take
from skfedmtl._input.targets import one_column, read_targets, read_truth, refuse_masked

__all__ = [
    "LARGEST_WHOLE",
    "MAX_DENSE_NODES",
    "as_labels",
    "as_table",
    "as_unique_labels",
    "check_dense",
    "check_nodes",
    "column_position",
    "encode_nodes",
    "from_nodes",
    "from_polars",
    "holds_words",
    "in_order",
    "is_labelled",
    "is_missing",
    "kind_name",
    "labelled",
    "listing",
    "lookup_nodes",
    "n_rows",
    "oddly_scaled",
    "one_column",
    "read_features",
    "read_square_frame",
    "read_targets",
    "read_truth",
    "read_weights",
    "refuse_half_labelled",
    "refuse_lazy",
    "refuse_masked",
    "series_names",
    "split_node_column",
    "take",
    "take_nodes",
    "to_polars",
    "with_article",
]
