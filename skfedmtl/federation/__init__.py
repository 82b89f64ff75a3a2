"""The protocol over a real wire: nodes in processes of their own, and the server that asks them.

What a node needs loads no scikit-learn: names are looked up when they are first asked for.
"""

from typing import TYPE_CHECKING

from skfedmtl._tools.lazy import finder

if TYPE_CHECKING:
    from skfedmtl.federation._commands import COMMANDS as COMMANDS
    from skfedmtl.federation._commands import run_command as run_command
    from skfedmtl.federation._dask import DaskTransport
    from skfedmtl.federation._local import LocalTransport
    from skfedmtl.federation._malicious import ModelPoisoningNode, PoisonedNode
    from skfedmtl.federation._node import FederatedNode
    from skfedmtl.federation._remote_nodes import FederationError
    from skfedmtl.federation._server import FederatedServer
    from skfedmtl.federation._tls import TLSTransport, serve_node

__all__ = [
    "DaskTransport",
    "FederatedNode",
    "FederatedServer",
    "FederationError",
    "LocalTransport",
    "ModelPoisoningNode",
    "PoisonedNode",
    "TLSTransport",
    "serve_node",
]

_HOMES = {
    "DaskTransport": "_dask",
    "COMMANDS": "_commands",
    "run_command": "_commands",
    "FederatedNode": "_node",
    "FederatedServer": "_server",
    "FederationError": "_remote_nodes",
    "ModelPoisoningNode": "_malicious",
    "PoisonedNode": "_malicious",
    "LocalTransport": "_local",
    "TLSTransport": "_tls",
    "serve_node": "_tls",
}

__getattr__ = finder(__name__, _HOMES)
