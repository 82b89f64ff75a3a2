"""All nodes as a solver asks them, behind a transport that may lose what it carries.

A solver's messages that need no answer wait, and travel with the next one that does. Every frame
is numbered, and says which answer of its node was the last to arrive: a node whose answer was lost
goes back to where it was then, so that both sides know the same.

What must be answered is not asked: who was met has told the loss of weights of zero, and begins
with dual variables of zero where its loss does. The greeting of such a node waits, too. What is
taken for known is what a `Witness` begins with, so that a liar wins nothing by it.

Who misses `patience` exchanges on end, answers them wrong, or has said `patience` times what it
contradicts, is left out: the solver begins anew with the others, from their dual variables, and the
one left out is a node without rows, of whose loss the certificate says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from skfedmtl._model import LOSSES, Loss
from skfedmtl._protocol import (
    MEMORY,
    Answer,
    Greeted,
    Greeting,
    Mixture,
    Order,
    Price,
    Question,
    Share,
    StepAnswer,
    StepOrder,
    Told,
    Weights,
)
from skfedmtl._typing import Array
from skfedmtl.federation._codec import Frame, WireError, decode, encode
from skfedmtl.federation._local import Transport
from skfedmtl.federation._messages import (
    FINAL,
    REASONS,
    Code,
    Concluded,
    Conclusion,
    Hello,
    Hosted,
    Refusal,
    place_of,
)
from skfedmtl.federation._trust import LIES, Fault, Witness

__all__ = ["FederationError", "RemoteNodes", "Restarted"]

_ROUNDING = 1.0 + 1e-9  #: what sums in another order may add to a length
_SILENT = Fault("silent", "did not answer in time")
_EXCHANGE = Fault("exchange", "answered another exchange")
_KIND = Fault("kind", "answered another question")


class FederationError(RuntimeError):
    """A fit that its nodes do not allow to end; the message names the nodes and their reasons.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.federation import FederatedNode, FederatedServer, LocalTransport
    >>> node = FederatedNode(np.eye(20), np.ones(20), loss="squared_error")
    >>> FederatedServer(loss="hinge").fit(LocalTransport({"north": node}))
    Traceback (most recent call last):
    skfedmtl...FederationError: no node is left: node 'north' fits another loss.
    """


class Restarted(Exception):
    """The nodes are no longer those that the solver began with."""


class RemoteNodes:
    """Nodes behind a transport.

    Parameters
    ----------
    transport : Transport
    loss : str
        Its name.
    deadline : float
        Seconds of an exchange.
    patience : int
        Exchanges on end that a node may miss or answer wrong.
    expels : bool
        Whether who answers wrong is left out; else that is an error.
    max_row_norm : float or None
        That all nodes have declared.
    report : callable
        Told of nodes that are left out, in words.
    """

    loss: Loss

    def __init__(
        self,
        transport: Transport,
        labels: list[Any],
        loss: str,
        *,
        deadline: float,
        patience: int,
        expels: bool,
        max_row_norm: float | None,
        report: Callable[[str], None],
    ) -> None:
        m = len(labels)
        self.loss, self._labels = LOSSES[loss](), labels
        self._transport, self._deadline = transport, deadline
        self._patience, self._expels, self._report = patience, expels, report
        self._exchange = 0
        self._known = [0] * m
        self._pending: list[list[Any]] = [[] for _ in range(m)]
        self._faults, self._lapses = [0] * m, [0] * m
        self._lies = [0] * m  #: which no later answer mends
        self._reason = [_SILENT] * m
        self._forgetful: set[int] = set()  #: who has lost its state, and is to be met again
        self.absent: set[int] = set()  #: who has fallen silent
        self.refused: dict[int, str] = {}  #: who has answered wrong, and how
        self.n_coordinates = 0
        self._longest = np.inf if max_row_norm is None else _ROUNDING * max_row_norm
        self._witnesses: dict[int, Witness] = {}
        self._unmoved: set[int] = set()  #: whose dual variables are still zero

    def __len__(self) -> int:
        return len(self._labels)

    @property
    def left(self) -> list[int]:
        """The nodes that take part."""
        return [l for l in range(len(self)) if l not in self.absent and l not in self.refused]

    # -- before and after a fit ---------------------------------------------------------------

    def meet(self) -> int:
        """Introduce the server to all nodes; how many features they have."""
        hosted = sorted(self._first_meeting().items(), reverse=True)  # so that the first ones stand
        found = {hosts[:2]: repr(self._labels[l]) for l, hosts in hosted}
        if len(found) > 1:
            raise FederationError(
                "nodes must have the same features, and an intercept of the same kind; "
                f"(features, coordinates) differ between {', '.join(sorted(found.values()))}: "
                f"{[(int(one), int(other)) for one, other in found]}"
            )
        named = {hosts.columns: repr(self._labels[l]) for l, hosts in hosted if hosts.columns}
        if len(named) > 1:
            raise FederationError(
                "nodes must have the same features in the same order; their names differ between "
                f"{', '.join(sorted(named.values()))}."
            )
        ((n_features, self.n_coordinates),) = ((int(one), int(other)) for one, other in found)
        return n_features

    def _first_meeting(self) -> dict[int, Hosted]:
        while True:
            try:
                met = self._persist([self._hello(resume=False)] * len(self), Hosted)
            except Restarted:
                continue
            if not self.loss.start(np.ones(1)).any():
                self._unmoved = set(met)
            return met

    def conclude(self, W: Array, common: Array) -> list[Concluded | None]:
        """Ask for the intercepts; None of who is left out.

        Who has once contradicted itself is left out at the latest here.
        """
        self._expel([l for l in self.left if self._lies[l]])
        answers = self._persist([Conclusion(w, common) for w in W], Concluded)
        return [answers.get(l) for l in range(len(self))]

    def _hello(self, *, resume: bool) -> Hello:
        return Hello(float(place_of(self.loss.name)), resume)

    # -- what a solver says -------------------------------------------------------------------

    def reseed(self, seed: int) -> None:
        """Nodes draw from seeds of their own."""

    def greet(self, greeting: Greeting) -> Greeted:
        """Begin a fit."""
        orders = [greeting._replace(w=w) for w in greeting.w]
        return Greeted(*self._stacked(orders, Greeted, self._nothing(Greeted, is_cold=1.0)))

    def tell(self, question: Question) -> Told:
        """Ask for moments and conjugates."""
        return Told(*self._stacked([question] * len(self), Told, self._nothing(Told)))

    def price(self, weights: Weights) -> Price:
        """Ask for losses."""
        return Price(*self._stacked([Weights(w) for w in weights.w], Price, Price(0.0)))

    def answer(self, which: Any, orders: list[Order], run: Any) -> list[Answer | None]:
        """A round, of some nodes."""
        answers = self._ask(dict(zip(map(int, which), orders, strict=True)), Answer)
        return [answers.get(int(l)) for l in which]

    def step(self, which: Any, orders: list[StepOrder], run: Any) -> list[StepAnswer | None]:
        """A proximal step, of some nodes."""
        answers = self._ask(dict(zip(map(int, which), orders, strict=True)), StepAnswer)
        nothing = self._nothing(StepAnswer)
        return [answers.get(int(l)) if l in self.left else nothing for l in which]

    def settle(self, mixture: Mixture) -> None:
        """End a round, when the nodes are next asked."""
        for l in self.left:
            if mixture.t[l].any():
                own = Mixture(mixture.t[l].copy())
                self._pending[l].append(own)
                self._doubt(l, self._witnesses[l].mix(own))

    def keep(self, share: Share) -> None:
        """Keep the last step of all, when they are next asked."""
        for l in self.left:
            if self._pending[l] and isinstance(self._pending[l][-1], Share):
                self._pending[l].pop()  # of the same step: the last one stands
            self._pending[l].append(share)
            self._doubt(l, self._witnesses[l].share(share))

    def _doubt(self, l: int, fault: Fault | None) -> None:
        """Note what is wrong with what a node has said before."""
        if fault is not None:
            self._note(l, fault, is_lie=True)

    # -- what need not be asked ---------------------------------------------------------------

    def _foregone(self, l: int, message: Any) -> Any:
        """What a node must answer, as far as it has been met; None where it is to be asked."""
        if isinstance(message, Weights) and not message.w.any():
            return Price(self._witnesses[l].nothing)
        if l not in self._unmoved:
            return None
        if isinstance(message, Question):
            return self._nothing(Told)
        if isinstance(message, Greeting) and not message.w.any():
            return self._greeted_unasked(l, message)
        return None

    def _greeted_unasked(self, l: int, greeting: Greeting) -> Greeted:
        """What a node of dual variables and weights of zero says; it is greeted when next asked."""
        witness = self._witnesses[l]
        said = {"loss": witness.nothing, "squared_norm": witness.squared_norm, "is_cold": 1.0}
        answer = self._nothing(Greeted, **said)
        self._pending[l].append(Greeting(greeting.w.copy(), greeting.resume))
        self._doubt(l, witness.hear(greeting, answer))
        return answer

    # -- exchanges ----------------------------------------------------------------------------

    def _nothing(self, kind: Any, **fields: float) -> Any:
        """What a node without rows answers."""
        zeros = dict.fromkeys(kind._fields, 0.0)
        return kind(**{**zeros, "v": np.zeros(self.n_coordinates), **fields})

    def _stacked(self, messages: list[Any], kind: Any, nothing: Any) -> list[Array]:
        """The fields of all nodes' answers, each with one more axis in front."""
        answers = self._persist(messages, kind)
        every = [answers.get(l, nothing) for l in range(len(self))]
        return [np.array(field) for field in zip(*every, strict=True)]

    def _persist(self, messages: list[Any], kind: Any) -> dict[int, Any]:
        """Ask every node until it has answered or is left out."""
        foregone = {l: self._foregone(l, messages[l]) for l in self.left}
        answers = {l: answer for l, answer in foregone.items() if answer is not None}
        while missing := [l for l in self.left if l not in answers]:
            answers.update(self._ask({l: messages[l] for l in missing}, kind))
        return answers

    def _ask(self, messages: dict[int, Any], kind: Any) -> dict[int, Any]:
        """One exchange: the answers that have come, and are such."""
        asked = [l for l in self.left if l in messages]
        self._unmoved.difference_update(asked)
        self._exchange += 1
        frames = {
            self._labels[l]: encode(
                Frame(self._exchange, self._known[l], (*self._pending_of(l, kind), messages[l]))
            )
            for l in asked
        }
        replies = self._transport.exchange(frames, self._deadline) if frames else {}
        answers = {}
        lapsed = False
        for l in asked:
            answer = self._read(replies.get(self._labels[l]), l, kind, messages[l])
            if isinstance(answer, Fault):
                self._note(l, answer, is_lie=l in self._witnesses and answer.code in LIES)
            elif answer is None:
                lapsed = True
            else:
                answers[l] = answer
                self._known[l], self._faults[l], self._pending[l] = self._exchange, 0, []
        self._expel([l for l in asked if self._is_worn_out(l)])
        if lapsed:
            self._meet_again()
        return answers

    def _pending_of(self, l: int, kind: Any) -> list[Any]:
        """What waits for a node; a first message comes alone."""
        return [] if kind is Hosted else self._pending[l]

    def _read(self, reply: bytes | None, l: int, kind: Any, question: Any) -> Any:
        """An answer; what is wrong with it; or None of a node that has lost its state."""
        if reply is None:
            return _SILENT
        try:
            frame = decode(reply)
        except WireError as error:
            return Fault("unreadable", f"answered what is no message: {error}")
        answer = frame.messages[0]
        if isinstance(answer, Refusal):
            return self._refusal(l, answer)
        if frame.exchange != self._exchange or len(frame.messages) > 1:
            return _EXCHANGE
        if not isinstance(answer, kind):
            return _KIND
        return self._wrong_with(answer, l, question) or answer

    def _refusal(self, l: int, refusal: Refusal) -> Fault | None:
        known = {int(code) for code in Code}
        code = Code(int(refusal.code)) if refusal.code in known else Code.FAILED
        if code in FINAL:
            self._faults[l] = self._patience
        if code is Code.FORGOTTEN:
            self._lapses[l] += 1
            if self._lapses[l] <= self._patience:
                self._forgetful.add(l)
                self._pending[l] = []
                return None
        return Fault(code.name.lower(), REASONS[code])

    def _wrong_with(self, answer: Any, l: int, question: Any) -> Fault | None:
        """What an honest node's answer cannot be."""
        lengths = {
            "v": self.n_coordinates,
            "dv": self.n_coordinates,
            "conjugates": 2,
            "losses": 3,
            "products": MEMORY,
        }
        for name, value in answer._asdict().items():
            if name in lengths and len(value) != lengths[name]:
                return Fault("length", f"answered a field {name} of another length")
        if isinstance(answer, Hosted) and l not in self._witnesses:
            fault = Witness.fault_of(self.loss, answer, self._longest)
            if fault is None:
                self._witnesses[l] = Witness(self.loss, answer, self._longest)
            return fault
        return self._witnesses[l].hear(question, answer)

    def _note(self, l: int, fault: Fault, *, is_lie: bool) -> None:
        self._faults[l] += 1
        self._lies[l] += is_lie
        self._reason[l] = fault
        if fault is not _SILENT and not self._expels:
            raise FederationError(f"node {self._labels[l]!r} {fault.words}.")

    def _is_worn_out(self, l: int) -> bool:
        return max(self._faults[l], self._lies[l]) >= self._patience

    def _expel(self, which: Iterable[int]) -> None:
        """Begin anew without these nodes."""
        gone = list(which)
        if not gone:
            return
        for l in gone:
            if self._reason[l] is _SILENT:
                self.absent.add(l)
            else:
                self.refused[l] = self._reason[l].code
        said = "; ".join(f"node {self._labels[l]!r} {self._reason[l].words}" for l in gone)
        self._report(f"left out: {said}")
        if not self.left:
            raise FederationError(f"no node is left: {said}.")
        raise Restarted

    def _meet_again(self) -> None:
        """Introduce the server to nodes that have lost their state; a fit begins anew."""
        lost = {l: self._hello(resume=True) for l in self.left if l in self._forgetful}
        self._forgetful.clear()
        while lost:
            answers = self._ask(lost, Hosted)
            lost = {l: hello for l, hello in lost.items() if l not in answers}
        raise Restarted
