"""The node's half: rows that are not sent, and what is asked of them by bytes."""

from __future__ import annotations

import copy
import logging
import os
import secrets
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

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
    Weights,
)
from skfedmtl.federation._codec import Frame, WireError, decode, encode
from skfedmtl.federation._messages import (
    LOSS_NAMES,
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
        find out grows with their number. With ``state_dir`` they are counted over processes. None:
        any number.
    max_row_norm : float or None, default=None
        No row may be longer, its constant feature included. None: any.
    state_dir : path or None, default=None
        Folder where the state is kept after every exchange, so that a process that has ended can
        be started again and go on. None: it begins anew.
    random_state : int, sequence of int or None, default=None
        Draws the order of rows. None: another one each time.

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
        fit_intercept: bool = True,
        intercept_scaling: float | None = 1.0,
        min_rows: int = 20,
        min_epochs: float = 1.0,
        max_exchanges: int | None = 300,
        max_row_norm: float | None = None,
        state_dir: str | os.PathLike[str] | None = None,
        random_state: int | Sequence[int] | None = None,
    ) -> None:
        _check_limits(min_rows, min_epochs, max_exchanges, max_row_norm, intercept_scaling)
        X, y, weight = _checked(X, y, loss, sample_weight, min_rows)
        made = LOSSES[loss]()
        is_free = intercept_scaling is None and made.constant_curvature > 0.0
        kind = "centred" if is_free else "feature"
        self._problem = FederatedProblem(
            X,
            y,
            np.zeros(len(y), dtype=np.int64),
            weight,
            loss=made,
            relationship=Independent(1, 1.0),
            intercept=kind if fit_intercept else "none",  # type: ignore[arg-type]
            intercept_scaling=1.0 if intercept_scaling is None else float(intercept_scaling),
        )
        longest = float(np.sqrt(self._problem.nodes.squared_norm.max()))
        if max_row_norm is not None and longest > max_row_norm:
            raise ValueError(
                f"max_row_norm={max_row_norm:g}, but X has a row of length {longest:g}."
            )
        self._loss, self._min_epochs = loss, min_epochs
        self._max_exchanges, self._count = max_exchanges, 0
        self._n_coordinates = len(self._problem.server.V[0])
        self._cold = self._party()
        self._cold.reseed(_seed(random_state))
        greeted = copy.copy(self._cold).greet(Greeting(np.zeros(self._n_coordinates)))
        self._hosted = Hosted(
            self._problem.n_features, self._n_coordinates, greeted.squared_norm, greeted.loss
        )
        self._begin(0)
        self._file: StateFile | None = None
        if state_dir is not None:
            settings = np.array([self._n_coordinates, place_of(loss)])
            self._file = StateFile(state_dir, digest(X, y, weight, settings))
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
            self._count = kept.n_answers
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


def _seed(random_state: int | Sequence[int] | None) -> tuple[int, ...]:
    if random_state is None:
        return (secrets.randbits(63),)
    seed = tuple(np.atleast_1d(np.asarray(random_state, dtype=object)).tolist())
    if not seed or not all(isinstance(one, Integral) and int(one) >= 0 for one in seed):
        raise ValueError(
            f"random_state must be None or whole numbers of at least 0, got {random_state!r}."
        )
    return tuple(map(int, seed))


def _check_limits(
    min_rows: Any,
    min_epochs: Any,
    max_exchanges: Any,
    max_row_norm: Any,
    intercept_scaling: Any,
) -> None:
    """Refuse what would be no limit: no number lies beyond NaN."""
    _check_number("min_rows", min_rows, 0, kind=Integral)
    _check_number("min_epochs", min_epochs, 0.0)
    if max_exchanges is not None:
        _check_number("max_exchanges", max_exchanges, 1, kind=Integral)
    if max_row_norm is not None:
        _check_number("max_row_norm", max_row_norm, 0.0)
    if intercept_scaling is not None:
        _check_number("intercept_scaling", intercept_scaling, np.nextafter(0.0, 1.0))


def _check_number(name: str, given: Any, least: float, kind: type = Real) -> None:
    if not isinstance(given, kind) or not least <= given < np.inf:  # type: ignore[operator]
        what = "whole number" if kind is Integral else "finite number"
        bound = f"of at least {least}" if least in (0, 1) else "above 0"
        raise ValueError(f"{name} must be a {what} {bound}, got {given!r}.")


def _check_loss(loss: str) -> None:
    if loss not in LOSS_NAMES:
        raise ValueError(f"loss must be one of {LOSS_NAMES}, got {loss!r}.")


def _checked(X: Any, y: Any, loss: str, sample_weight: Any, min_rows: int) -> tuple[Any, ...]:
    """Rows, targets and weights that a fit can take, of which there are enough."""
    X, y, weight = check_rows(X, y, loss, sample_weight)
    if np.count_nonzero(weight) < max(min_rows, 1):
        raise ValueError(
            f"X has {np.count_nonzero(weight)} rows of some weight, fewer than "
            f"min_rows={min_rows}: what they answer would give them away."
        )
    return X, y, weight


def check_rows(X: Any, y: Any, loss: str, sample_weight: Any) -> tuple[Any, ...]:
    """Rows, targets and weights that a fit can take."""
    _check_loss(loss)
    X, y = _real_numbers("X", X), _real_numbers("y", y)
    weight = np.ones(y.shape)
    if sample_weight is not None:
        weight = _real_numbers("sample_weight", sample_weight)
    if X.ndim != 2 or y.shape != (len(X),) or weight.shape != y.shape:
        raise ValueError(
            "X must be of shape (n_samples, n_features), y and sample_weight of shape "
            f"(n_samples,), got {X.shape}, {y.shape} and {weight.shape}."
        )
    if X.shape[1] == 0:
        raise ValueError("X has no feature; one at least is needed.")
    for name, values in (("X", X), ("y", y), ("sample_weight", weight)):
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds NaN or infinity; finite numbers are allowed.")
    if (weight < 0.0).any():
        raise ValueError("sample_weight must be at least 0.")
    if not LOSSES[loss].is_regression and not np.isin(y, (-1.0, 1.0)).all():
        raise ValueError(f"y must hold -1 and +1 with loss={loss!r}.")
    return X, y, weight


def _real_numbers(name: str, given: Any) -> Any:
    """A copy in double precision, without what that would hide."""
    if np.ma.is_masked(given):
        raise ValueError(f"{name} has masked entries; leave their rows out, or fill them.")
    try:
        if np.iscomplexobj(given):
            raise TypeError("these are complex")
        return np.array(given, dtype=np.float64, order="C")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold real numbers in a dense array: {error}") from error
