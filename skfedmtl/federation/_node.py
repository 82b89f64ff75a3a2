"""The node's half: rows that are not sent, and what is asked of them by bytes."""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skfedmtl._model import LOSSES, Independent
from skfedmtl._protocol import (
    MEMORY,
    FederatedProblem,
    Greeting,
    Mixture,
    Order,
    Question,
    Share,
    StepOrder,
    StoredProblem,
    Weights,
)
from skfedmtl.federation._checks import (
    Columns,
    check_limits,
    checked_rows,
    columns_hash,
    intercept_of,
    seed_of,
    stored_rows,
)
from skfedmtl.federation._codec import Frame, WireError, decode, encode
from skfedmtl.federation._messages import (
    Code,
    Concluded,
    Conclusion,
    Hello,
    Hosted,
    Refusal,
    place_of,
)
from skfedmtl.federation._state import Kept, StateFile, digest

__all__ = ["FederatedNode"]

_LOG = logging.getLogger("skfedmtl.federation")
_DOES = {
    Greeting: "greet",
    Question: "tell",
    Weights: "price",
    Order: "answer",
    Mixture: "settle",
    StepOrder: "step",
    Share: "keep",
}  #: what a party does with a message
_VECTORS = ("w", "base", "asked", "common")  #: fields with an entry a coordinate
_MAY_LACK = ("asked", "common")  #: those that may be empty


class _Limits(NamedTuple):
    """What a node enforces."""

    min_rows: int
    min_epochs: float
    max_exchanges: int | None
    max_row_norm: float | None


class Refused(Exception):
    """A message that is not answered."""

    def __init__(self, code: Code) -> None:
        super().__init__(code.name)
        self.code = code


class FederatedNode:
    """A party of a federation: its rows, and its answers to a server.

    Rows, targets and dual variables are not sent. It answers bytes with bytes, whoever carries
    them, and enforces its own limits: what it refuses is answered with a code, never with text.
    The limits make rows dear to find out, not impossible: a node trusts the server that it
    answers.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Rows, scaled as all nodes have agreed.
    y : array-like of shape (n_samples,)
        Targets: numbers, or -1 and +1 for the classes.
    loss : {"hinge", "squared_hinge", "logistic", "squared_error"}
        As all nodes and the server have agreed.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the rows, at least 0.
    feature_names : sequence of str, default=None
        Names of the features in their order. None: those of a frame. Their hash is sent, so that
        the server finds out nodes of other columns; nodes without names are believed.
    fit_intercept : bool, default=True
        Whether the node has an intercept.
    intercept_scaling : float or None, default=1.0
        The intercept is the weight of a constant feature of this size. None: it is free, with
        ``loss="squared_error"``; else the same as 1.0.
    min_rows : int, default=20
        Rows of some weight that there must be: what few rows answer gives them away.
    min_epochs : float, default=1.0
        Passes over the rows that an order must ask for: what answers to parts of a pass say about
        single rows gives them away.
    max_exchanges : int or None, default=300
        Answers that the node gives in all, whatever number of fits they serve: what a server can
        find out grows with their number. With ``state_dir`` they are counted over processes,
        whatever rows these have. None: any number.
    max_row_norm : float or None, default=None
        No row may be longer, its constant feature included. None: any.
    state_dir : path or None, default=None
        Folder where the state is kept after every exchange, so that a process that has ended can
        be started again and go on. None: it begins anew.
    random_state : int, sequence of int or None, default=None
        Draws the order of rows; the guide has those of an estimator. None: another one each time.

    Raises
    ------
    ValueError
        For rows or parameters that are not allowed; the message names the argument.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.federation import FederatedNode
    >>> X = np.random.default_rng(0).normal(size=(30, 2))
    >>> node = FederatedNode(X, np.sign(X[:, 0]), loss="hinge", random_state=0)
    >>> isinstance(node.handle(b"no message"), bytes)
    True
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        *,
        loss: str,
        sample_weight: Any = None,
        feature_names: Sequence[str] | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float | None = 1.0,
        min_rows: int = 20,
        min_epochs: float = 1.0,
        max_exchanges: int | None = 300,
        max_row_norm: float | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        random_state: int | Sequence[int] | None = None,
    ) -> None:
        limits = _Limits(min_rows, min_epochs, max_exchanges, max_row_norm)
        check_limits(*limits, intercept_scaling)
        rows, y, weight = checked_rows(X, y, loss, sample_weight, min_rows)
        columns = columns_hash(X, feature_names, rows.shape[1])
        kind, scale = intercept_of(loss, fit_intercept, intercept_scaling)
        problem = FederatedProblem(
            rows,
            y,
            np.zeros(len(y), dtype=np.int64),
            weight,
            loss=LOSSES[loss](),
            relationship=Independent(1, 1.0),
            intercept=kind,
            intercept_scaling=scale,
        )
        self._set_up(problem, loss, limits, random_state, columns)
        if state_dir is not None:
            settings = np.array([self._n_coordinates, place_of(loss)])
            self._keep_in(state_dir, digest(rows, y, weight, settings))

    @classmethod
    def from_file(
        cls,
        path: str | os.PathLike[str],
        *,
        loss: str,
        target_column: str | int,
        features: Sequence[str | int] | None = None,
        weight_column: str | int | None = None,
        positive: Any = None,
        chunk_rows: int | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float | None = 1.0,
        min_rows: int = 20,
        min_epochs: float = 1.0,
        max_exchanges: int | None = 300,
        max_row_norm: float | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        random_state: int | Sequence[int] | None = None,
    ) -> FederatedNode:
        """Make a node whose rows stay in a file.

        It answers as a node with its rows in memory does. With the squared error the file is read
        once, here (twice with `max_row_norm` and a free intercept): what the rows say is a triangle
        of as many rows as there are weights, and one more, and every order is solved exactly. With
        other losses the file is read here and in every round, once an epoch, and a reading is a
        Newton step; once more where no nodes are tied. The hinge's kink is smoothed for that, to a
        width of 5 weights a row, an eighth of which may remain as a gap; it takes 500 rows a
        weight. With fewer, with more than 1000 weights, or where a chunk holds all rows, steps are
        coordinate passes over chunks in a drawn order, and over the rows of each; over many chunks
        they are slow. Targets, weights, lengths and dual variables, some fifteen numbers a row,
        stay in memory; ``solver="mocha"`` keeps twenty more.

        Only nodes of a federation have rows in files: `FMTLClassifier`, `FMTLRegressor` and attacks
        take rows in memory. Nor are there second-order steps, sparse rows or `.npz` files, which
        cannot be read by parts.

        Parameters
        ----------
        path : path
            A Parquet file, ``.parquet`` (``pip install "skfedmtl[parquet]"``), or an array of shape
            (n_samples, n_columns) as `numpy.save` writes it, ``.npy``.
        loss : {"hinge", "squared_hinge", "logistic", "squared_error"}
            As all nodes and the server have agreed.
        target_column : str or int
            Column of the targets: its name in a Parquet file, its place in an array.
        features : list of str or int, default=None
            Columns of numbers, in the order that all nodes have agreed on. None: all other columns.
        weight_column : str or int, default=None
            Column of the rows' weights, at least 0. None: all are 1.
        positive : object, default=None
            The target that counts as +1, all others as -1. None: targets are numbers, or -1 and +1.
        chunk_rows : int or None, default=None
            Rows in memory at a time. None: so many that they have 2**18 numbers.
        fit_intercept, intercept_scaling, min_rows, min_epochs, max_exchanges, max_row_norm, \
state_dir, random_state
            As in `FederatedNode`.

        Returns
        -------
        node : FederatedNode
            With rows that must not change as long as it answers.

        Raises
        ------
        ValueError
            For a file, columns or parameters that are not allowed; the message names the argument.
        ImportError
            For a Parquet file without pyarrow.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport
        >>> table = np.random.default_rng(0).normal(size=(1000, 3))
        >>> table[:, 2] = table[:, 0] + 1.0
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder, "north.npy"), table)
        ...     node = FederatedNode.from_file(
        ...         Path(folder, "north.npy"), loss="squared_error", target_column=2
        ...     )
        ...     server = FederatedServer(loss="squared_error").fit(LocalTransport({"north": node}))
        >>> server.coef_.round(1) + 0.0
        array([[1., 0.]])
        """
        limits = _Limits(min_rows, min_epochs, max_exchanges, max_row_norm)
        check_limits(*limits, intercept_scaling)
        columns = Columns(target_column, features, weight_column, positive)
        table, y, weight = stored_rows(path, columns, loss, min_rows, chunk_rows)
        kind, scale = intercept_of(loss, fit_intercept, intercept_scaling)
        problem = StoredProblem(
            table,
            y,
            weight,
            loss=LOSSES[loss](),
            intercept=kind,
            intercept_scaling=scale,
            hashed=state_dir is not None,
        )
        node = cls.__new__(cls)
        named = columns_hash(table, table.names, problem.n_features)
        node._set_up(problem, loss, limits, random_state, named)
        if state_dir is not None:
            settings = np.array([node._n_coordinates, place_of(loss)])
            rows = np.frombuffer(problem.digest, np.uint8)
            node._keep_in(state_dir, digest(rows, y, weight, settings))
        return node

    def _set_up(
        self,
        problem: FederatedProblem | StoredProblem,
        loss: str,
        limits: _Limits,
        random_state: Any,
        columns: float,
    ) -> None:
        """Be ready for a first message."""
        longest = 0.0 if limits.max_row_norm is None else problem.longest_row
        if limits.max_row_norm is not None and longest > limits.max_row_norm:
            raise ValueError(
                f"max_row_norm={limits.max_row_norm:g}, but X has a row of length {longest:g}."
            )
        self._problem = problem
        self._loss, self._min_epochs = loss, limits.min_epochs
        self._max_exchanges, self._count = limits.max_exchanges, 0
        self._n_coordinates = problem.n_coordinates
        self._cold = self._party()
        self._cold.reseed(seed_of(random_state))
        greeted = copy.copy(self._cold).greet(Greeting(np.zeros(self._n_coordinates)))
        sizes = problem.n_features, self._n_coordinates
        self._hosted = Hosted(*sizes, greeted.squared_norm, greeted.loss, columns)
        self._begin(0)
        self._file: StateFile | None = None

    def _keep_in(self, folder: str | os.PathLike[str], rows: bytes) -> None:
        """Keep the state in this folder, and go on from what it holds of the same rows."""
        self._file = StateFile(folder, rows)
        self._count = self._file.n_answers()
        self._go_on(self._file.read())

    def handle(self, message: bytes) -> bytes:
        """Answer a message.

        Parameters
        ----------
        message : bytes
            From the server.

        Returns
        -------
        answer : bytes
            To the server. The same message again has the same answer.
        """
        exchange = 0
        try:
            frame = decode(message)
            exchange = frame.exchange
            return self._reply(frame)
        except WireError:
            return _refusal(exchange, Code.MALFORMED)
        except Refused as refused:
            return _refusal(exchange, refused.code)
        except Exception:  # whatever it says may hold numbers of rows, which stay here
            _LOG.exception("an exchange failed")
            return _refusal(exchange, Code.FAILED)

    def _party(self) -> Any:
        """Who answers the solver's messages."""
        return self._problem.nodes.party(0)

    # -- exchanges --------------------------------------------------------------------------

    def _begin(self, exchange: int) -> None:
        """Count exchanges from here."""
        self._node = copy.copy(self._cold)
        self._last, self._answer = exchange, b""
        self._before, self._known = self._node, exchange

    def _go_on(self, kept: Kept | None) -> None:
        """Stand where the process before has ended."""
        if kept is not None:
            self._node.restore(kept.node)
            self._last = self._known = kept.exchange
            self._answer = kept.answer

    def _keep(self, exchange: int, answer: Any) -> bytes:
        """Keep the answer to an exchange, and the state after it."""
        self._last, self._answer = exchange, encode(Frame(exchange, 0, (answer,)))
        self._count += 1
        if self._file is not None:
            self._file.write(Kept(exchange, self._count, self._answer, self._node.state()))
        return self._answer

    def _reply(self, frame: Frame) -> bytes:
        """Take the messages of a frame in turn, all or none; the answer to the last."""
        is_first = isinstance(frame.messages[-1], Hello)
        if frame.exchange == self._last and not is_first:
            return self._answer
        if self._max_exchanges is not None and self._count >= self._max_exchanges:
            raise Refused(Code.MANY_EXCHANGES)
        if is_first:
            return self._welcome(frame)
        if frame.exchange < self._last:
            raise Refused(Code.STALE)
        node = self._node_known(frame.known)
        self._before, self._known, self._node = node, frame.known, copy.copy(node)
        self._last = frame.known
        try:
            for message in frame.messages:
                self._check(message)
                answer = self._do(message)
            if answer is None:
                raise Refused(Code.MALFORMED)
        except Exception:
            self._node = copy.copy(node)
            raise
        return self._keep(frame.exchange, answer)

    def _node_known(self, known: int) -> Any:
        """The node as it was when the server last heard of it."""
        if known == self._last:
            return self._node
        if known == self._known:
            return self._before
        raise Refused(Code.FORGOTTEN)

    def _welcome(self, frame: Frame) -> bytes:
        hello = frame.messages[-1]
        if len(frame.messages) > 1 or hello.loss != place_of(self._loss):
            raise Refused(Code.OTHER_LOSS)
        node = self._node
        self._begin(frame.exchange)
        if hello.resume:
            self._node = self._before = node
        return self._keep(frame.exchange, self._hosted)

    def _do(self, message: Any) -> Any:
        """What a message asks for; the answer, if there is one."""
        if isinstance(message, Conclusion):
            return self._conclude(message)
        return getattr(self._node, _DOES[type(message)])(message)

    def _conclude(self, message: Conclusion) -> Concluded:
        """What the weights' intercepts are."""
        _, (intercept,) = self._problem.coefficients(message.w[None])
        if not len(message.common):
            return Concluded(intercept, 0.0)
        _, (common,) = self._problem.coefficients(message.common[None])
        return Concluded(intercept, common)

    # -- what is allowed --------------------------------------------------------------------

    def _check(self, message: Any) -> None:
        """Refuse what no server of this protocol sends, and what would give rows away."""
        if type(message) not in _DOES and not isinstance(message, Conclusion):
            raise Refused(Code.MALFORMED)
        fields = message._asdict()
        lengths = {name: len(fields[name]) for name in _VECTORS if name in fields}
        may_lack = {name for name in _MAY_LACK if lengths.get(name) == 0}
        if {lengths[name] for name in lengths.keys() - may_lack} - {self._n_coordinates}:
            raise Refused(Code.OTHER_LENGTH)
        if fields.get("epochs", self._min_epochs) < self._min_epochs:
            raise Refused(Code.FEW_EPOCHS)
        if min(fields.get("rho", 1.0), fields.get("curvature", 1.0)) <= 0.0:
            raise Refused(Code.OUT_OF_RANGE)
        if "t" in fields and len(fields["t"]) != MEMORY:
            raise Refused(Code.OUT_OF_RANGE)
        most = 1.0 if np.isfinite(self._problem.nodes.loss.bounds).all() else np.inf
        if not 0.0 <= fields.get("share", 0.0) <= most:
            raise Refused(Code.OUT_OF_RANGE)


def _refusal(exchange: int, code: Code) -> bytes:
    return encode(Frame(exchange, 0, (Refusal(float(code)),)))
