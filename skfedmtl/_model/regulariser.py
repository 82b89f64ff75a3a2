"""What ties the nodes together: the regulariser and its conjugate.

The regulariser ``R(W)`` of the multi-task model couples the rows of ``W``; the solvers
work with its conjugate ``R*`` on the dual side, whose gradient gives the weights back::

    R*(V) = sup over W of ( tr(V' W) - R(W) ),        W(V) = grad R*(V)

====================  ==========================================  =========
symbol                variable                                    shape
====================  ==========================================  =========
W, V                  ``W``, ``V``: one row a node                (m, d)
Omega                 ``precision``                               (m, m)
B                     ``(lambda1 Omega + lambda2 I)^-1``          (m, m)
J                     derivative of W(V): ``Response.product``    (m, d) -> (m, d)
(1/2) B               derivative with Sigma held fixed:           (m, d) -> (m, d)
                      ``ExactResponse.frozen_product``
(1/2) B_ll            ``curvature[l]``                            (m,)
====================  ==========================================  =========

Three regularisers are known. `_quadratic.Independent` has ``R = lambda2 ||W||_F^2``.
`_quadratic.Fixed` has ``R = lambda1 tr(W' Omega W) + lambda2 ||W||_F^2`` for a given ``Omega``.
`_learned.Learned` takes the best covariance ``Sigma = Omega^-1`` of trace one for every ``W``,
which makes ``R = lambda1 ||W||_*^2 + lambda2 ||W||_F^2`` with the nuclear norm: jointly convex.

References
----------
.. [1] V. Smith, C.-K. Chiang, M. Sanjabi, A. Talwalkar, "Federated Multi-Task Learning",
   NeurIPS 2017: the model and its relationship matrix.
.. [2] Y. Zhang, D.-Y. Yeung, "A Convex Formulation for Learning Task Relationships in
   Multi-Task Learning", UAI 2010: the trace constraint and its minimiser.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from skfedmtl._typing import Array


class Response(Protocol):
    """``W(V)`` and what follows from it at one point ``V``."""

    value: float  #: R*(V)

    @property
    def W(self) -> Array: ...  #: grad R*(V), shape (m, d)
    @property
    def penalty(self) -> float: ...  #: R(W)
    def product(self, dV: Array) -> Array: ...
    def curvature(self) -> Array: ...
    def spectral(self) -> Spectral | None: ...


class ExactResponse(Response, Protocol):
    """The same of R* itself, whose kinks can be rounded off."""

    rank: int  #: rank of W, decided from V

    def frozen_product(self, dV: Array) -> Array: ...
    def rounded(self, excess: float) -> Response: ...


class Proximal(NamedTuple):
    """``argmin R(W) + (rho/2) ||W - T||_F^2`` and R there."""

    W: Array
    penalty: float


class Curved(Protocol):
    """A regulariser with a second derivative, at one point."""

    value: float
    slope: Array  #: (m, d)

    def hessian(self) -> Array: ...  #: (m d, m d)


class Relationship(Protocol):
    """A regulariser ``R``, seen through its conjugate."""

    n_nodes: int
    is_quadratic: bool
    own_rho: float | None  #: of a splitting that leaves every node its own problem, if there is one

    def penalty(self, W: Array) -> float: ...
    def ridged(self, more: float) -> Relationship: ...  #: with that much added to lambda2
    def covariance_factor(self, W: Array) -> Array: ...
    def first_curvature(self) -> Array: ...
    def stiffness(self, n_features: int) -> float: ...  #: slope of R along W over W, about
    def proximal(self, T: Array, rho: float) -> Proximal: ...
    def conjugate(self, V: Array) -> float: ...
    def curved(self, W: Array, root: float) -> Curved: ...
    def respond(self, V: Array) -> ExactResponse: ...
    def majorant(self, W: Array) -> Array | None: ...


class Spectral(NamedTuple):
    """``J[dV] = dV Z diag(rho) Z' + U (inside(M) - M diag(rho)) Z'`` with ``M = U' dV Z``.

    ``inside`` takes and returns stacks of (d, d) and is symmetric.
    """

    U: Array  #: (m, d), orthonormal columns
    Zt: Array  #: (d, d), orthogonal
    rho: Array  #: (d,)
    inside: Callable[[Array], Array]
