"""Nodes in blocks that live in the workers of a dask cluster."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skfedmtl._model import LOSSES
from skfedmtl._tools.files import write_whole
from skfedmtl._typing import Array
from skfedmtl.federation._block_sources import (
    Columns,
    InHand,
    ParquetBlock,
    check_names,
    find_parquet,
)
from skfedmtl.federation._blocks import Intercepts
from skfedmtl.federation._dask_homes import Block, Homes
from skfedmtl.federation._remote_nodes import FederationError

__all__ = ["DaskTransport"]

_WHOLE = (
    "A block must hold all rows of its nodes: sort the rows by node before they are cut into files "
    "or row groups, and cut between nodes; of a dask dataframe, shuffle(on=node_column)."
)


class DaskTransport:
    """Nodes whose rows lie in the workers of a dask cluster, in blocks; a context manager.

    A block is a part of the rows that holds whole nodes: a file, a row group, a partition. Each
    lives in one worker, which reads its rows and answers for all of its nodes at once. Rows do not
    pass through the client: what does are arrays of the nodes' weights. A fit has the same bits
    wherever blocks live; which nodes share one makes a difference as another `random_state` does.
    If a worker is lost its blocks are read anew by others, and the fit goes on from what is left.

    Blocks trust the server: none of the limits of `FederatedNode` hold here.

    Parameters
    ----------
    client : distributed.Client
        Of the cluster. The blocks of a worker take turns in one thread, whatever it has:
        workers of one thread each are the ones that pay.
    rows : path, dask dataframe, or list of futures or delayed objects
        A Parquet file, whose row groups are the blocks, or a folder of such files, partitioned by
        hive or not: the workers must find it by this path. A dask dataframe, whose partitions are
        the blocks. Or a list of what is in the cluster already, each a block: a frame, or a tuple
        ``(X, y, nodes)`` or ``(X, y, nodes, sample_weight)`` of arrays, or a tuple of futures of
        these. Targets are numbers, or classes -1 and +1.
    node_column, target_column : str, default=None
        Columns of frames and of Parquet that hold the node and the target of each row.
    weight_column : str, default=None
        The column of the rows' weights; None: all are 1.
    features : sequence of str, default=None
        The columns of the features; None: all others.
    fit_intercept : bool, default=True
        Whether nodes have an intercept.
    intercept_scaling : float or None, default=1.0
        As that of `FederatedNode`.
    max_blocks : int, default=256
        Neighbouring files or row groups are put together to so many blocks where there are more.
    max_losses : int, default=3
        How often a block may be lost with its worker.
    deadline : float, default=600.0
        Seconds that an answer, or a worker for blocks that have none, is waited for.

    Attributes
    ----------
    labels : list
        Of the nodes of all blocks.
    labels_by_block : list of ndarray
        And of each.
    block_names : list of str
        What each has been read from.
    n_losses : int
        Blocks that have been lost so far.

    Raises
    ------
    FederationError
        If a block is lost too often, no worker is left, or one does not answer in time; the message
        names the nodes.

    Examples
    --------
    >>> from skfedmtl.federation import DaskTransport, FederatedServer
    >>> from distributed import Client
    >>> client = Client("tcp://10.0.0.1:8786")  # doctest: +SKIP
    >>> columns = {"node_column": "customer", "target_column": "bought"}
    >>> with DaskTransport(client, "/data/rows", **columns) as transport:  # doctest: +SKIP
    ...     server = FederatedServer(loss="logistic", tol=1e-2).fit(transport)
    ...     accuracy = transport.score(server)
    """

    def __init__(
        self,
        client: Any,
        rows: Any,
        *,
        node_column: Any = None,
        target_column: Any = None,
        weight_column: Any = None,
        features: Sequence[Any] | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float | None = 1.0,
        max_blocks: int = 256,
        max_losses: int = 3,
        deadline: float = 600.0,
    ) -> None:
        _check_client(client)
        _check_numbers(max_blocks, max_losses, deadline, intercept_scaling)
        self._client, self._deadline = client, float(deadline)
        names = None if features is None else tuple(features)
        columns = Columns(node_column, target_column, weight_column, names)
        blocks = self._find(rows, columns, max_blocks)
        intercepts = Intercepts(fit_intercept, intercept_scaling)
        self._homes = Homes(client, blocks, intercepts, max_losses, self._deadline)
        try:
            self._homes.settle(range(len(blocks)))
            self._look()
        except BaseException:
            self.close()
            raise
        self.labels: list[Any] = np.concatenate(self.labels_by_block).tolist()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the blocks from the workers."""
        self._homes.close()

    @property
    def labels_by_block(self) -> list[NDArray[Any]]:
        """The labels of each block's nodes, sorted."""
        return self._homes.labels_by_block

    @property
    def block_names(self) -> list[str]:
        """What each block has been read from."""
        return [block.name for block in self._homes.blocks]

    @property
    def n_losses(self) -> int:
        """Blocks that have been lost so far."""
        return self._homes.n_losses

    def ask(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Call a method of every block.

        Parameters
        ----------
        method : str
            Of a block's host.
        arguments : list of tuple
            A block each.

        Returns
        -------
        answers : list
            A block each.

        Raises
        ------
        BlocksLost
            If some have been lost; others have taken their places.
        """
        return self._homes.ask(method, arguments)

    # -- what there is ------------------------------------------------------------------------

    def _find(self, rows: Any, columns: Columns, max_blocks: int) -> list[Block]:
        if isinstance(rows, str | os.PathLike):
            blocks = self._find_files(os.fspath(rows), columns, max_blocks)
        elif hasattr(rows, "to_delayed") and hasattr(rows, "columns"):
            check_names(list(rows.columns), columns, "rows")
            blocks = _in_hand(rows.to_delayed(), "partition", columns)
        elif isinstance(rows, list | tuple) and all(map(_is_remote, rows)):
            blocks = _in_hand(rows, "block", columns)
        else:
            raise TypeError(
                "rows must be the path of a Parquet file or folder, a dask dataframe, or a list of "
                f"futures or delayed objects, got {rows!r}."
            )
        if not blocks:
            raise ValueError("rows has no block; one at least is needed.")
        return blocks

    def _find_files(self, path: str, columns: Columns, max_blocks: int) -> list[Block]:
        """Files as the workers find them."""
        future = self._client.submit(find_parquet, path, max_blocks, pure=False)
        try:
            found = future.result(timeout=self._deadline)
        except TimeoutError:
            raise FederationError(
                f"no worker has looked for {path!r} within deadline={self._deadline:g} seconds."
            ) from None
        except ImportError as error:
            raise ImportError(f"{_NEEDED}, in the workers too ({error}).") from error
        except (OSError, ValueError) as error:
            raise ValueError(
                f"rows must be a Parquet file or a folder of such, got {path!r}: {error}"
            ) from error
        check_names(found.names, columns, path)
        return [
            Block(name, ParquetBlock(parts, found.schema, columns, name), None, n_rows)
            for parts, name, n_rows in found.parts
        ]

    def _look(self) -> None:
        """Learn of the nodes; blocks of no rows are left out, nodes in two blocks are refused."""
        homes = self._homes
        seen = homes.insist("look", [()] * len(homes.blocks))
        kept = [block for block, (labels, _) in enumerate(seen) if len(labels)]
        if not kept:
            raise ValueError("rows has no row; one at least is needed.")
        homes.keep(kept, [seen[block][0] for block in kept])
        self._features = seen[kept[0]][1]
        _check_features(self.block_names, [seen[block][1] for block in kept])
        _check_whole(self.block_names, self.labels_by_block)

    # -- what a fitted model makes of the rows ------------------------------------------------

    def score(self, server: Any) -> Array:
        """Score a model on the rows of the blocks.

        Parameters
        ----------
        server : FederatedServer
            Fitted to nodes among which are all of these.

        Returns
        -------
        scores : ndarray of shape (n_nodes,)
            Accuracy, or R^2 of targets, in the order of the nodes' sorted labels.
        """
        models = self._models(server)
        order = np.argsort(np.concatenate(self.labels_by_block), kind="stable")
        return np.concatenate(self._homes.insist("score", models))[order]

    def predict(self, server: Any, folder: str | os.PathLike[str]) -> list[str]:
        """Write what a model predicts of the rows of the blocks.

        Parameters
        ----------
        server : FederatedServer
            Fitted to nodes among which are all of these.
        folder : path
            New or empty; the workers must find it by this path.

        Returns
        -------
        paths : list of str
            Of a Parquet file a block, with the columns ``node``, ``row``, the place of the row in
            its block, and ``prediction``.
        """
        path = Path(folder)
        if path.exists() and any(path.iterdir()):
            raise ValueError(f"folder must be new or empty, got {os.fspath(folder)!r}.")
        models = self._models(server)
        paths = [str(path / f"part-{block:05d}.parquet") for block in range(len(models))]
        asked = [(path, *model) for path, model in zip(paths, models, strict=True)]
        return self._homes.insist("write", asked)

    def write_coef(self, server: Any, path: str | os.PathLike[str]) -> None:
        """Write the weights of all nodes to a Parquet file.

        Parameters
        ----------
        server : FederatedServer
            Fitted to nodes of these features.
        path : path
            Of the file, which must not exist; the client writes it.
        """
        import pyarrow
        from pyarrow import parquet

        check_is_fitted(server)
        if Path(path).exists():
            raise ValueError(f"path must be new, got {os.fspath(path)!r}.")
        if server.coef_.shape[1] != len(self._features):
            raise ValueError(
                f"server has weights of {server.coef_.shape[1]} features, the blocks have "
                f"{len(self._features)}."
            )
        columns = {"node": server.nodes_, "intercept": server.intercept_}
        named = zip(map(str, self._features), server.coef_.T, strict=True)
        columns |= {name if name not in columns else f"coef_{name}": own for name, own in named}
        whole = pyarrow.table(columns)
        write_whole({Path(path): lambda file: parquet.write_table(whole, file)})

    def _models(self, server: Any) -> list[tuple[Array, Array, bool]]:
        """Of the nodes of each block."""
        check_is_fitted(server)
        known = server.nodes_
        made = []
        for name, labels in zip(self.block_names, self.labels_by_block, strict=True):
            places = np.minimum(np.searchsorted(known, labels), len(known) - 1)
            if unknown := labels[known[places] != labels].tolist():
                raise ValueError(f"server has no model of {unknown[:5]} in {name}.")
            is_regression = LOSSES[server.loss].is_regression
            made.append((server.coef_[places], server.intercept_[places], is_regression))
        return made


_NEEDED = 'DaskTransport needs dask and pyarrow: pip install "skfedmtl[dask]"'


def _check_client(client: Any) -> None:
    if find_spec("distributed") is None:
        raise ImportError(f"{_NEEDED}.")
    from distributed import Client

    if not isinstance(client, Client):
        raise TypeError(f"client must be a distributed.Client, got {client!r}.")
    if client.asynchronous:
        raise TypeError("client must not be asynchronous.")


def _check_numbers(
    max_blocks: int, max_losses: int, deadline: float, intercept_scaling: float | None
) -> None:
    for name, value, least in (("max_blocks", max_blocks, 1), ("max_losses", max_losses, 0)):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise ValueError(f"{name} must be a whole number, at least {least}, got {value!r}.")
    for name, seconds in (("deadline", deadline), ("intercept_scaling", intercept_scaling)):
        if name == "intercept_scaling" and seconds is None:
            continue
        if not isinstance(seconds, Real) or not 0.0 < seconds < np.inf:
            raise ValueError(f"{name} must be a finite number above 0, got {seconds!r}.")


def _is_remote(value: Any) -> bool:
    from distributed import Future

    if isinstance(value, tuple):
        return bool(value) and all(map(_is_remote, value))
    return isinstance(value, Future) or hasattr(value, "dask")


def _in_hand(values: Iterable[Any], kind: str, columns: Columns) -> list[Block]:
    return [
        Block(f"{kind} {place}", InHand(columns, f"{kind} {place}"), value, 1)
        for place, value in enumerate(values)
    ]


def _check_features(names: list[str], features: list[Any]) -> None:
    for name, own in zip(names, features, strict=True):
        if own != features[0]:
            raise ValueError(
                f"blocks must have the same features in the same order, got {list(features[0])} in "
                f"{names[0]} and {list(own)} in {name}."
            )


def _check_whole(names: list[str], labels_by_block: list[NDArray[Any]]) -> None:
    kinds = {labels.dtype.kind: name for labels, name in zip(labels_by_block, names, strict=True)}
    if len(kinds) > 1:
        raise ValueError(
            f"labels of nodes must be of one type, got several in {[*kinds.values()]}."
        )
    labels = np.concatenate(labels_by_block)
    block = np.repeat(np.arange(len(names)), [len(own) for own in labels_by_block])
    order = np.argsort(labels, kind="stable")
    twice = np.flatnonzero(labels[order[1:]] == labels[order[:-1]])
    if len(twice):
        first, second = order[twice[0]], order[twice[0] + 1]
        raise ValueError(
            f"node {labels[first].item()!r} lies in two blocks, {names[block[first]]} and "
            f"{names[block[second]]}. {_WHOLE}"
        )
