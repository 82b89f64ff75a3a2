"""A federation over Flower: SuperLink and SuperNodes carry the messages of the protocol.

Flower starts a process for every message of a node, so what a node knows lies in its folder, and
its half loads neither Flower nor scikit-learn before it is asked: ``pip install
"skfedmtl[flower]"`` brings the former.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from skfedmtl.federation._codec import Frame, WireError, decode, encode
from skfedmtl.federation._messages import Code, Refusal

__all__ = ["FlowerTransport", "client_app", "server_app"]

_LOG = logging.getLogger("skfedmtl.federation")
_RECORD, _FRAME = "skfedmtl", "frame"  #: where the bytes lie in a message
_TYPE = "query"  #: of messages; Flower has two more, which are the same to it
_POLL = 0.5  #: seconds between looks for answers, each of which is a request to the SuperLink


# -- the node's half --------------------------------------------------------------------------


def client_app(make_node: Callable[[dict[str, Any]], Any]) -> Any:
    """The app of the nodes, for their SuperNodes.

    Parameters
    ----------
    make_node : callable
        Makes the `FederatedNode` of this place. It is given a dict, the ``--node-config`` of the
        SuperNode, which must hold ``state_dir``: a folder of this node alone, of which the node
        has to be told. It is called for every message, in a process of its own.

    Returns
    -------
    app : flwr.clientapp.ClientApp
        To be named in the ``pyproject.toml`` of the app. Whatever fails is told in the log of the
        SuperNode, and to the server by a code.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.federation import FederatedNode
    >>> from skfedmtl.federation.flower import client_app
    >>> def make_node(config):
    ...     with np.load(config["rows"]) as rows:
    ...         X, y = rows["X"], rows["y"]
    ...     return FederatedNode(X, y, loss="logistic", state_dir=config["state_dir"])
    >>> app = client_app(make_node)  # doctest: +SKIP
    """
    if not callable(make_node):
        raise TypeError(f"make_node must be callable, got {make_node!r}.")
    _check_flower()
    from flwr.app import Message
    from flwr.clientapp import ClientApp

    app = ClientApp()

    @app.query()
    def answer(message: Any, context: Any) -> Any:
        reply = _answer(make_node, dict(context.node_config), _frame_of(message))
        return Message(_content(reply), reply_to=message)

    return app


def _answer(
    make_node: Callable[[dict[str, Any]], Any], config: dict[str, Any], frame: bytes
) -> bytes:
    """What the node says; what is raised here Flower would tell the server word by word."""
    try:
        if not config.get("state_dir"):
            raise ValueError("the node-config must hold state_dir, a folder of this node alone.")
        with _locked(config["state_dir"]):
            node = make_node(config)
            if getattr(node, "_file", node) is None:
                raise ValueError("make_node must make a node with state_dir=config['state_dir'].")
            answer: bytes = node.handle(frame)
            return answer
    except Exception:
        _LOG.exception("a message was not answered")
        return encode(Frame(_exchange_of(frame), 0, (Refusal(float(Code.FAILED)),)))


def _exchange_of(frame: bytes) -> int:
    try:
        return decode(frame).exchange
    except WireError:
        return 0


@contextmanager
def _locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """One process at a time: a late one would write its older state over the newer."""
    import fcntl

    Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    with Path(folder, "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


# -- the server's half ------------------------------------------------------------------------


class FlowerTransport:
    """Carries messages to SuperNodes over a grid.

    A node is who its key says: by the name under which the key was registered at the SuperLink.

    Parameters
    ----------
    grid : flwr.serverapp.Grid
        As Flower hands it to a server's app.
    nodes : sequence of str
        Names of the nodes that take part, ``flwr supernode register KEY --name NAME``.

    Attributes
    ----------
    labels : list of str
        These names, sorted.

    Examples
    --------
    >>> from skfedmtl.federation import FederatedServer
    >>> from skfedmtl.federation.flower import FlowerTransport
    >>> def main(grid, context):
    ...     transport = FlowerTransport(grid, ["north", "south"])
    ...     server = FederatedServer(loss="logistic", deadline=300).fit(transport)
    """

    def __init__(self, grid: Any, nodes: Sequence[str]) -> None:
        for name in ("get_nodes", "push_messages", "pull_messages"):
            if not hasattr(grid, name):
                raise TypeError(f"grid must be one of Flower's, with {name}, got {grid!r}.")
        self.labels = _names(nodes)
        self._grid = grid

    def exchange(self, messages: Mapping[Any, bytes], deadline: float) -> dict[Any, bytes]:
        """Send each node its message, once it is there.

        Parameters
        ----------
        messages : dict of bytes
            By label.
        deadline : float
            Seconds, after which no answer is waited for; Flower gives up the messages, too.

        Returns
        -------
        answers : dict of bytes
            By label; who has not answered is not there.
        """
        until = time.monotonic() + deadline
        waiting = dict(messages)
        asked: dict[str, tuple[Any, int]] = {}  # by the identity of a message
        answers: dict[Any, bytes] = {}
        while True:
            if waiting:
                asked |= self._push(waiting, until)
            for reply in self._grid.pull_messages(list(asked)) if asked else ():
                label, place = asked.pop(reply.metadata.reply_to_message_id, (None, 0))
                if reply.has_error():
                    _LOG.warning("node %s: Flower's error %s", label, reply.error.code)
                elif label is not None and reply.metadata.src_node_id == place:
                    answers[label] = _frame_of(reply)
            left = until - time.monotonic()
            if left <= 0 or not (waiting or asked):
                return answers
            time.sleep(min(_POLL, left))

    def _push(self, waiting: dict[Any, bytes], until: float) -> dict[str, tuple[Any, int]]:
        """Send what is for nodes that are there, and strike it; whom the messages went to."""
        from flwr.app import Message

        places = self._places()
        there = [label for label in waiting if label in places]
        ttl = max(until - time.monotonic(), 1.0)
        sent = [
            Message(_content(waiting.pop(label)), places[label], _TYPE, ttl=ttl) for label in there
        ]
        identities = list(self._grid.push_messages(sent)) if sent else []
        went = zip(identities, there, strict=False)  # none where they were too large
        return {identity: (label, places[label]) for identity, label in went if identity}

    def _places(self) -> dict[str, int]:
        """The numbers that the SuperLink has given to nodes that are there."""
        places: dict[str, int] = {}
        for node in self._grid.get_nodes():
            if places.setdefault(node.name, node.node_id) != node.node_id:
                if node.name in self.labels:
                    raise RuntimeError(
                        f"two SuperNodes are registered as {node.name!r}; unregister one of them."
                    )
        return places


def server_app(
    server: Any,
    *,
    nodes: Sequence[str] | None = None,
    output: str | os.PathLike[str] | None = None,
) -> Any:
    """The app of the server, for its SuperLink.

    Parameters
    ----------
    server : FederatedServer
        Fits. An exchange takes Flower seconds: give it a ``deadline`` of some minutes.
    nodes : sequence of str, default=None
        Names of the nodes that take part, as they are registered. None: ``nodes`` of the run's
        configuration, with commas between.
    output : path, default=None
        Where the model is written, ``.npz`` or ``.skops``, as by ``skfedmtl serve``. None:
        ``output`` of the run's configuration.

    Returns
    -------
    app : flwr.serverapp.ServerApp
        To be named in the ``pyproject.toml`` of the app.

    Examples
    --------
    >>> from skfedmtl.federation import FederatedServer
    >>> from skfedmtl.federation.flower import server_app
    >>> server = FederatedServer(loss="logistic", deadline=300)
    >>> app = server_app(server, nodes=["north", "south"])  # doctest: +SKIP
    """
    if not hasattr(server, "_fit"):
        raise TypeError(f"server must be a FederatedServer, got {server!r}.")
    named = None if nodes is None else _names(nodes)
    given = None if output is None else _file(output)
    _check_flower()
    from flwr.serverapp import ServerApp

    app = ServerApp()

    @app.main()
    def main(grid: Any, context: Any) -> None:
        from skfedmtl.federation._work import fit_and_save

        config = context.run_config
        labels = _names(str(config.get("nodes", "")).split(",")) if named is None else named
        path = _file(str(config.get("output", ""))) if given is None else given
        fit_and_save(server, FlowerTransport(grid, labels), path)

    return app


def _names(nodes: Any) -> list[str]:
    if isinstance(nodes, str) or not all(isinstance(name, str) for name in nodes):
        raise TypeError(f"nodes must be a list of names, got {nodes!r}.")
    names = sorted({name.strip() for name in nodes} - {""})
    if not names:
        raise ValueError("nodes must name one node at least.")
    return names


def _file(output: str | os.PathLike[str]) -> Path:
    path = Path(output)
    if path.suffix not in (".npz", ".skops"):
        raise ValueError(f"output must be a file named .npz or .skops, got {str(output)!r}.")
    return path


# -- both -------------------------------------------------------------------------------------


def _check_flower() -> None:
    if find_spec("flwr") is None:
        raise ImportError('apps need Flower: pip install "skfedmtl[flower]"')


def _content(frame: bytes) -> Any:
    from flwr.app import ConfigRecord, RecordDict

    return RecordDict({_RECORD: ConfigRecord({_FRAME: frame})})


def _frame_of(message: Any) -> bytes:
    """The bytes in a message; none if it is none of ours."""
    try:
        frame = message.content.config_records[_RECORD][_FRAME]
    except (KeyError, ValueError):
        return b""
    return frame if isinstance(frame, bytes) else b""
