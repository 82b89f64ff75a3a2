"""Nodes in the same process, and what a transport is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

__all__ = ["LocalTransport", "Transport"]


class Transport(Protocol):
    """Carries bytes to nodes and back."""

    labels: list[Any]  #: of the nodes that it reaches

    def exchange(self, messages: Mapping[Any, bytes], deadline: float) -> dict[Any, bytes]:
        """Send each node its message; the answers that have come back by then, in seconds."""
        ...


class LocalTransport:
    """Carries messages to nodes in the same process.

    Parameters
    ----------
    nodes : dict
        Each node by its label: whatever has the method ``handle`` of `FederatedNode`.

    Examples
    --------
    >>> import numpy as np
    >>> from skfedmtl.federation import FederatedNode, LocalTransport
    >>> X = np.random.default_rng(0).normal(size=(30, 2))
    >>> node = FederatedNode(X, X[:, 0], loss="squared_error")
    >>> LocalTransport({"north": node}).labels
    ['north']
    """

    def __init__(self, nodes: Mapping[Any, Any]) -> None:
        if not isinstance(nodes, Mapping) or not all(hasattr(n, "handle") for n in nodes.values()):
            raise TypeError(
                "nodes must be a dict of nodes by label, each with the method handle, "
                f"got {nodes!r}."
            )
        self.labels = list(nodes)
        self._nodes_by_label = dict(nodes)

    def exchange(self, messages: Mapping[Any, bytes], deadline: float) -> dict[Any, bytes]:
        """Send each node its message.

        Parameters
        ----------
        messages : dict of bytes
            By label.
        deadline : float
            Seconds; without effect within one process.

        Returns
        -------
        answers : dict of bytes
            By label.
        """
        return {
            label: self._nodes_by_label[label].handle(message)
            for label, message in messages.items()
        }
