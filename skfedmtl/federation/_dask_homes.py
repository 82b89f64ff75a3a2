"""Blocks in the workers of a dask cluster: where each lives, what it is asked, and its losses."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from skfedmtl._input import listing
from skfedmtl.federation._block_sources import write_predictions
from skfedmtl.federation._blocks import BlockHost, BlocksLost, Intercepts, Rows
from skfedmtl.federation._remote_nodes import FederationError

__all__ = ["Block", "Homes"]

_POLL = 0.25  #: seconds between looks whether whoever is waited for still lives


class _Letter(NamedTuple):
    """A call of a method."""

    number: int  #: the same in a letter that is sent again
    method: str
    arguments: tuple[Any, ...]


class _Envelope:
    """Something that dask does not look into, as it would into tuples."""

    def __init__(self, content: Any) -> None:
        self.content = content


class Resident(BlockHost):
    """A block in a worker.

    Parameters
    ----------
    source : InHand or ParquetBlock
    given : object
        What the source reads.
    intercepts : Intercepts
    """

    def __init__(self, source: Any, given: Any, intercepts: Intercepts) -> None:
        self._source, self._given = source, given
        self._last, self._answer = 0, _Envelope(None)
        super().__init__(self._read_rows, intercepts)

    def _read_rows(self) -> Rows:
        rows, self._names = self._source.read(self._given)
        return rows

    def call(self, letter: _Envelope) -> _Envelope:
        """What a method returns, or the error in it: others are of the cluster.

        A letter that has come before has the answer that it had.
        """
        number, method, arguments = letter.content
        if number != self._last:
            self._answer = self._do(method, arguments)
            self._last = number
        return self._answer

    def _do(self, method: str, arguments: tuple[Any, ...]) -> _Envelope:
        try:
            return _Envelope((getattr(self, method)(*arguments), None))
        except Exception as error:
            return _Envelope((None, error))

    def look(self) -> tuple[Any, Any]:
        """The labels of the nodes, and what the features are called."""
        labels = self.labels()
        return labels, self._names

    def write(self, path: str, *model: Any) -> str:
        """Write the predictions of a model to a file."""
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return write_predictions(path, *self.predict(*model))


class Block(NamedTuple):
    """What a block is made of, wherever it lives."""

    name: str
    source: Any
    given: Any  #: a future, something delayed, or None
    n_rows: int  #: or 1 where nobody knows


class _Home:
    """Where a block lives now."""

    actor: Any = None
    future: Any = None
    address = ""  #: of the worker that was asked to take it
    n_losses = 0

    def is_lost(self) -> bool:
        return self.future is None or self.future.status not in ("finished", "pending")


class Homes:
    """Where blocks live.

    Parameters
    ----------
    client : distributed.Client
    blocks : list of Block
    intercepts : Intercepts
    max_losses : int
        Of a block.
    deadline : float
        Seconds of every wait.
    """

    def __init__(
        self,
        client: Any,
        blocks: list[Block],
        intercepts: Intercepts,
        max_losses: int,
        deadline: float,
    ) -> None:
        self._client, self.blocks = client, blocks
        self._intercepts, self._max_losses = intercepts, max_losses
        self._deadline = deadline
        self._homes = [_Home() for _ in blocks]
        self._is_closed = False
        self._n_letters = 0
        self.labels_by_block: list[NDArray[Any]] = []  #: once they are known

    @property
    def n_losses(self) -> int:
        """Blocks that have been lost so far."""
        return sum(home.n_losses for home in self._homes)

    def keep(self, blocks: list[int], labels_by_block: list[NDArray[Any]]) -> None:
        """Let go of all blocks but these, whose nodes are known now."""
        self.blocks = [self.blocks[block] for block in blocks]
        self._homes = [self._homes[block] for block in blocks]
        self.labels_by_block = labels_by_block

    def close(self) -> None:
        """Drop the blocks from the workers."""
        futures = [home.future for home in self._homes if home.future is not None]
        self._is_closed = True
        self._homes = [_Home() for _ in self.blocks]
        with contextlib.suppress(Exception):  # a cluster that is gone has dropped them
            self._client.cancel(futures)

    def settle(self, blocks: Iterable[int]) -> None:
        """Find a worker for each of these blocks."""
        end = time.monotonic() + self._deadline
        left = list(blocks)
        while left:
            for block, address in zip(left, self._places(left, end), strict=True):
                self._start(block, address)
            left = [block for block in left if not self._has_come(block, end)]
            self._note_losses(left)

    def _places(self, blocks: list[int], end: float) -> list[str]:
        """Workers for blocks, each the one with the fewest rows then."""
        load: dict[str, int] = dict.fromkeys(self._workers(blocks, end), 0)
        for home, known in zip(self._homes, self.blocks, strict=True):
            if home.actor is not None and home.actor._address in load:
                load[home.actor._address] += known.n_rows
        places = []
        for block in blocks:
            place = min(load, key=lambda address: load[address])
            load[place] += self.blocks[block].n_rows
            places.append(place)
        return places

    def _workers(self, blocks: list[int], end: float) -> list[str]:
        client = self._client
        while (seconds := end - time.monotonic()) > 0.0:
            if client.scheduler is None:
                raise self.error("the client is closed", blocks)
            try:
                found = client.sync(client.scheduler.ncores, callback_timeout=seconds)
            except (OSError, ValueError, RuntimeError) as error:
                raise self.error(f"the cluster cannot be reached ({error})", blocks) from error
            if found:
                return sorted(found)
            time.sleep(_POLL)
        raise self.error(f"no worker is left after {self._deadline:g} seconds", blocks)

    def _start(self, block: int, address: str) -> None:
        given = self.blocks[block].given
        # another one takes it if that one is lost meanwhile
        where = {"workers": [address], "allow_other_workers": True}
        # what is delayed: a copy of its own, which can be made again
        if isinstance(given, tuple):
            given = tuple(self._computed(value, where) for value in given)
        else:
            given = self._computed(given, where)
        self._homes[block].address = address
        self._homes[block].future = self._client.submit(
            Resident,
            self.blocks[block].source,
            given,
            self._intercepts,
            actor=True,
            pure=False,
            **where,
        )

    def _computed(self, given: Any, where: dict[str, Any]) -> Any:
        return self._client.compute(given, **where) if hasattr(given, "dask") else given

    def _has_come(self, block: int, end: float) -> bool:
        """Whether a worker has the block now; False if that has been lost meanwhile."""
        from distributed import KilledWorker

        home = self._homes[block]
        try:
            while not home.future.done():
                # an actor whose worker is gone before it has begun may wait for good
                if time.monotonic() > end:
                    raise TimeoutError
                if home.address not in self._workers([block], end):
                    return False
                with contextlib.suppress(TimeoutError):
                    home.future.result(timeout=4.0 * _POLL)
            with self._client.as_current():
                home.actor = home.future.result(timeout=max(end - time.monotonic(), _POLL))
            return True
        except FederationError:
            raise
        except TimeoutError:
            raise self.error(
                f"no worker has taken it within deadline={self._deadline:g} seconds", [block]
            ) from None
        except Exception as error:
            # the scheduler's word for it, which has no class of its own
            if isinstance(error, KilledWorker) or "lost" in str(error):
                return False
            raise self.error(f"its rows could not be made ({error!r})", [block]) from error

    def _note_losses(self, blocks: list[int]) -> None:
        for block in blocks:
            home = self._homes[block]
            home.actor, home.future = None, None
            home.n_losses += 1
        often = [block for block in blocks if self._homes[block].n_losses > self._max_losses]
        if often:
            raise self.error(f"lost more than max_losses={self._max_losses} times", often)

    def error(self, what: str, blocks: list[int]) -> FederationError:
        """What has befallen blocks, which are named with their nodes."""
        names = ", ".join(self.blocks[block].name for block in blocks[:3])
        names += f" and {len(blocks) - 3} more" if len(blocks) > 3 else ""
        if not self.labels_by_block:
            return FederationError(f"{names}: {what}.")
        nodes = np.concatenate([self.labels_by_block[block] for block in blocks])
        return FederationError(f"{names}, of nodes {listing(nodes)}: {what}.")

    def ask(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """What a method of every block returns; `BlocksLost`, once they live elsewhere."""
        if self._is_closed:
            raise RuntimeError("this DaskTransport is closed; a new one can be made.")
        end = time.monotonic() + self._deadline
        self._n_letters += 1
        letters = [_Envelope(_Letter(self._n_letters, method, given)) for given in arguments]
        calls = [self._send(block, letter) for block, letter in enumerate(letters)]
        answers: list[Any] = []
        lost = []
        for block, letter in enumerate(letters):
            reply = self._receive(block, letter, calls[block], end)
            # who has sent a letter keeps it, in a circle that only the collector of garbage ends
            letter.content, calls[block] = None, None
            if reply is None:
                lost.append(block)
                continue
            answer, error = reply.content
            if error is not None:
                self._reject(block, error)
            answers.append(answer)
        if lost:
            self._note_losses(lost)
            self.settle(lost)
            raise BlocksLost
        return answers

    def _send(self, block: int, letter: _Envelope) -> Any:
        if self._homes[block].is_lost():
            return None
        with self._client.as_current():
            try:
                return self._homes[block].actor.call(letter)
            except RuntimeError:  # it has been lost this very moment
                return None

    def _receive(self, block: int, letter: _Envelope, call: Any, end: float) -> _Envelope | None:
        """The answer; None: there will be none, as the block is lost."""
        while call is not None:
            is_over = call.done()
            try:
                return call.result(timeout=_POLL)
            except (OSError, RuntimeError) as error:  # among them that it takes its time
                # a call whose worker is lost may never end
                if self._homes[block].is_lost():
                    return None
                if is_over or not isinstance(error, TimeoutError):
                    # of a worker that lives the connection alone has broken: it is asked again
                    time.sleep(_POLL)
                    call = self._send(block, letter)
            if time.monotonic() > end:
                what = f"no answer within deadline={self._deadline:g} seconds"
                raise self.error(what, [block])
        return None

    def _reject(self, block: int, error: Exception) -> None:
        name = self.blocks[block].name
        if isinstance(error, ValueError):
            about = str(error) if name in str(error) else f"{name}: {error}"
            raise ValueError(about) from error
        raise self.error(f"failed with {error!r}", [block]) from error

    def insist(self, method: str, arguments: list[tuple[Any, ...]]) -> list[Any]:
        """Ask again where blocks have been lost: these questions need no fit."""
        while True:
            try:
                return self.ask(method, arguments)
            except BlocksLost:
                continue
