"""Nodes behind connections of mutual TLS, which they open and keep.

A node is who its certificate says, whatever its messages say. Frames are numbered, so that what
answers an exchange that is over is left aside.
"""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from skfedmtl._tools.spelling import meant
from skfedmtl.federation._certificates import SERVER, certificate_names, contexts
from skfedmtl.federation._wire import Link, address_of

__all__ = ["TLSTransport", "serve_node"]

_LOG = logging.getLogger("skfedmtl.federation")
_HANDSHAKE = 5.0  #: seconds
_STRANGERS = 32  #: connections that may shake hands at once
_MOST_TOLD = 1000  #: lines about strangers
_POLL, _RETRY = 0.2, 0.2  #: seconds between looks for the end, and between attempts to connect


class TLSTransport:
    """Waits for nodes to connect, and carries messages to them; a context manager.

    Parameters
    ----------
    address : str or tuple
        "host:port", or both; port 0 takes a free one.
    certificates : path
        The server's folder, as ``skfedmtl certificates`` writes it.
    nodes : sequence of str, default=None
        Names of the nodes that take part; None: all that are registered.

    Attributes
    ----------
    labels : list of str
        Names of the nodes, sorted.
    address : tuple
        Host and port that are listened at.

    Examples
    --------
    >>> from skfedmtl.federation import FederatedServer, TLSTransport
    >>> folder = "certificates/skfedmtl-server"
    >>> with TLSTransport("127.0.0.1:7654", folder) as transport:  # doctest: +SKIP
    ...     server = FederatedServer(loss="logistic").fit(transport)
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        certificates: str | os.PathLike[str],
        *,
        nodes: Sequence[str] | None = None,
    ) -> None:
        registered = certificate_names(certificates)
        self.labels = registered if nodes is None else sorted(set(nodes))
        if unknown := sorted(set(self.labels) - set(registered)):
            known = f"{registered}{meant(unknown, registered)}"
            raise ValueError(f"nodes {unknown} are not registered; known are {known}.")
        self._context = contexts(certificates, server=True)
        self._links: dict[str, Link] = {}
        self._changed = threading.Condition()
        self._is_over, self._number = False, 0
        self._strangers = threading.Semaphore(_STRANGERS)
        self._told: set[str] = set()  #: of who was turned away
        self._pool = ThreadPoolExecutor(max(1, len(self.labels)))
        self._listener = socket.create_server(address_of(address))
        self._listener.settimeout(_POLL)
        self.address = self._listener.getsockname()[:2]
        self._door = threading.Thread(target=self._welcome, daemon=True)
        self._door.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Tell the nodes that it is over, and listen no more."""
        self._is_over = True
        self._door.join()
        self._listener.close()
        self._pool.shutdown()
        for link in self._links.values():
            try:
                link.send(0, b"", time.monotonic() + 1.0)
            except OSError:
                pass
            link.close()
        self._links.clear()

    def exchange(self, messages: Mapping[Any, bytes], deadline: float) -> dict[Any, bytes]:
        """Send each node its message.

        Parameters
        ----------
        messages : dict of bytes
            By label.
        deadline : float
            Seconds, after which no answer is waited for.

        Returns
        -------
        answers : dict of bytes
            By label; who has not answered is not there.
        """
        self._number += 1
        until = time.monotonic() + deadline
        asked = {
            label: self._pool.submit(self._ask, label, self._number, message, until)
            for label, message in messages.items()
        }
        answers = {label: future.result() for label, future in asked.items()}
        return {label: answer for label, answer in answers.items() if answer is not None}

    def _ask(self, label: str, number: int, message: bytes, until: float) -> bytes | None:
        """What a node answers by then, over as many connections as it takes."""
        while (link := self._link_to(label, until)) is not None:
            try:
                link.send(number, message, until)
            except OSError as error:  # also where time was short: half a message is none
                self._drop(label, link, error)
                continue
            try:
                return self._receive(link, number, until)
            except TimeoutError:
                return None
            except OSError as error:
                self._drop(label, link, error)
        return None

    @staticmethod
    def _receive(link: Link, number: int, until: float) -> bytes:
        """The answer of this number; those of exchanges that are over are left aside."""
        while True:
            found, answer = link.receive(until)
            if found == number:
                return answer

    def _link_to(self, label: str, until: float) -> Link | None:
        """The connection of a node, once it is there."""
        with self._changed:
            left = max(0.0, until - time.monotonic())
            self._changed.wait_for(lambda: label in self._links, left)
            return self._links.get(label)

    def _drop(self, label: str, link: Link, error: OSError) -> None:
        _LOG.info("node %s: %s", label, error)
        with self._changed:
            if self._links.get(label) is link:
                del self._links[label]
        link.close()

    # -- the door -----------------------------------------------------------------------------

    def _welcome(self) -> None:
        """Let nodes in until it is over."""
        while not self._is_over:
            try:
                stranger, (host, *_) = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                time.sleep(_POLL)
                continue
            if not self._strangers.acquire(blocking=False):
                stranger.close()
                continue
            threading.Thread(target=self._shake_hands, args=(stranger, host), daemon=True).start()

    def _shake_hands(self, stranger: socket.socket, host: str) -> None:
        try:
            stranger.settimeout(_HANDSHAKE)
            connection = self._context.wrap_socket(stranger, server_side=True)
        except OSError as error:  # those of TLS are such
            self._turn_away(f"{host}, which shows no certificate of this federation: {error}")
            stranger.close()
            return
        finally:
            self._strangers.release()
        name = _name_of(connection)
        if name not in self.labels or self._is_over:
            self._turn_away(f"{host}, named {name!r}, which is not registered")
            connection.close()
            return
        _LOG.info("node %s has connected", name)
        with self._changed:
            former = self._links.get(name)
            self._links[name] = Link(connection)
            self._changed.notify_all()
        if former is not None:
            former.close()

    def _turn_away(self, whom: str) -> None:
        """Say of a stranger that comes again and again once why it is none of the nodes."""
        if whom not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(whom)
            _LOG.warning("turned away %s", whom)


def _name_of(connection: ssl.SSLSocket) -> str:
    """The common name of the other end's certificate."""
    certificate: Any = connection.getpeercert() or {}
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [str(value) for key, value in pairs if key == "commonName"]
    return names[0] if len(names) == 1 else ""


def _advice(error: OSError) -> str:
    """What helps against certificates that do not go together."""
    is_tls = isinstance(error, ssl.SSLError)
    return "; both ends need certificates of one `skfedmtl certificates`" if is_tls else ""


def serve_node(
    node: Any,
    address: str | tuple[str, int],
    certificates: str | os.PathLike[str],
    *,
    wait: float = 600.0,
    report: Callable[[str], None] = _LOG.info,
) -> int:
    """Connect a node to a server over TLS, and answer until it is over.

    What ``skfedmtl node`` does, for nodes that are made in Python.

    Parameters
    ----------
    node : FederatedNode
        The node, or one that lies: `PoisonedNode`, `ModelPoisoningNode`, or any other object with
        their ``handle``, which answers bytes with bytes.
    address : str or tuple
        "host:port" of the server, or both.
    certificates : path
        The node's folder, as ``skfedmtl certificates`` writes it.
    wait : float, default=600.0
        Seconds without a word of the server after which the node gives up.
    report : callable, default=logging
        Told in words how it goes, why there is no connection among them, once each.

    Returns
    -------
    count : int
        Messages that were answered.

    Raises
    ------
    ConnectionError
        If no server is there, or it turns this node away.

    See Also
    --------
    TLSTransport : The server's half.

    Examples
    --------
    >>> from skfedmtl.federation import ModelPoisoningNode, serve_node
    >>> node = ModelPoisoningNode([-1.0, 0.0, 0.0], loss="logistic", row_norm=2.0)
    >>> serve_node(node, "127.0.0.1:7654", "certificates/north")  # doctest: +SKIP
    113
    """
    context = contexts(certificates, server=False)
    count, until = 0, time.monotonic() + wait
    reason: object = "no answer"
    told: set[str] = set()  #: since the last message

    def tell(line: str) -> None:
        if line not in told:
            told.add(line)
            report(line)

    while time.monotonic() < until:
        try:
            with socket.create_connection(address_of(address), _HANDSHAKE) as plain:
                with context.wrap_socket(plain, server_hostname=SERVER) as connection:
                    tell("connected")
                    link = Link(connection)
                    while True:
                        number, message = link.receive(until)
                        if not message:
                            report(f"over after {count} messages")
                            return count
                        link.send(number, node.handle(message), time.monotonic() + wait)
                        count, until = count + 1, time.monotonic() + wait
                        told.clear()
        except OSError as error:
            reason = error
            if not isinstance(error, ConnectionRefusedError | TimeoutError):
                tell(f"no connection, and trying on: {error}{_advice(error)}")
            time.sleep(_RETRY)
    raise ConnectionError(f"no server at {address} that this node belongs to: {reason}")
