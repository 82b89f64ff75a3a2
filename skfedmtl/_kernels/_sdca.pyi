from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

class SquaredError: ...

class Huber:
    def __init__(self, delta: float) -> None: ...

class Hinge: ...

class SmoothHinge:
    def __init__(self, width: float) -> None: ...

class SquaredHinge: ...
class Logistic: ...

class Own:
    def __init__(self, function: Callable[[float, float, float, float], float]) -> None: ...

LossKernel = SquaredError | Huber | Hinge | SmoothHinge | SquaredHinge | Logistic | Own

def use_wide(wanted: bool) -> bool: ...
def visit(
    loss: LossKernel,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    squared_norm: NDArray[np.float64],
    order: NDArray[np.intp],
    curvature: float,
    n_passes: int,
    alpha: NDArray[np.float64],
    w: NDArray[np.float64],
) -> None: ...
def shuffle(order: NDArray[np.intp], state: int) -> int: ...
def relax_in_kernel(
    loss: LossKernel,
    K: NDArray[np.float64],
    places: NDArray[np.intp],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    order: NDArray[np.intp],
    seeds: NDArray[np.uint64],
    curvature: float,
    close: float,
    least: int,
    most: int,
    between: int,
    alpha: NDArray[np.float64],
    f: NDArray[np.float64],
) -> None: ...
def relax_by_node(
    loss: LossKernel,
    X: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    squared_norm: NDArray[np.float64],
    starts: NDArray[np.intp],
    first: int,
    last: int,
    order: NDArray[np.intp],
    seeds: NDArray[np.uint64],
    curvature: float,
    close: float,
    least: int,
    most: int,
    between: int,
    alpha: NDArray[np.float64],
    W: NDArray[np.float64],
) -> None: ...
def margins(X: NDArray[np.float64], w: NDArray[np.float64], out: NDArray[np.float64]) -> None: ...
def accumulate(
    X: NDArray[np.float64], coefficient: NDArray[np.float64], out: NDArray[np.float64]
) -> None: ...
def margins_by_node(
    X: NDArray[np.float64],
    starts: NDArray[np.intp],
    W: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def accumulate_by_node(
    X: NDArray[np.float64],
    starts: NDArray[np.intp],
    coefficient: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def centre_by_node(
    X: NDArray[np.float64],
    starts: NDArray[np.intp],
    which: NDArray[np.intp],
    weight: NDArray[np.float64],
    noise: float,
    mean: NDArray[np.float64],
) -> None: ...
def sparse_visit(
    loss: LossKernel,
    data: NDArray[np.float64],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    mean: NDArray[np.float64],
    along: NDArray[np.float64],
    y: NDArray[np.float64],
    weight: NDArray[np.float64],
    squared_norm: NDArray[np.float64],
    order: NDArray[np.intp],
    curvature: float,
    n_passes: int,
    alpha: NDArray[np.float64],
    w: NDArray[np.float64],
) -> int: ...
def sparse_margins(
    data: NDArray[np.float64],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    w: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
def sparse_accumulate(
    data: NDArray[np.float64],
    indices: NDArray[Any],
    indptr: NDArray[Any],
    coefficient: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None: ...
