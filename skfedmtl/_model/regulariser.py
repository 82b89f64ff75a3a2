"""What ties the nodes together: the regulariser and its conjugate.

The regulariser ``R(W)`` of the multi-task model couples the rows of ``W``; the solvers
work with its conjugate ``R*`` on the dual side, whose gradient gives the weights back::

    R*(V) = sup over W of ( tr(V' W) - R(W) ),        W(V) = grad R*(V)

====================  ====================================================  =========
symbol                variable                                              shape
====================  ====================================================  =========
W, V, T               weights, moments, states: one row a node              (m, d)
Omega                 ``precision``                                         (m, m)
B                     ``(lambda1 Omega + lambda2 I)^-1``                    (m, m)
J                     derivative of W(V): ``Response.product``              (m, d) -> (m, d)
(1/2) B               derivative with Sigma held fixed:                     (m, d) -> (m, d)
                      ``ExactResponse.frozen_product``
(1/2) B_ll            ``curvature()[l]``                                    (m,)
====================  ====================================================  =========

What solvers may ask of a regulariser, and of what that gives them; nothing else is asked:

======================  ======================================================  ===========
of a `Relationship`     what                                                    gives
======================  ======================================================  ===========
n_nodes                 m                                                       int
is_quadratic            whether R is, so that no step changes Sigma             bool
is_homogeneous          whether R* is of degree two: R*(tV) = t^2 R*(V)         bool
is_smoothable           whether R is known well enough to be smoothed, by       bool
                        `curved` and `rounded`
own_rho                 of a splitting that leaves every node its own problem,  float, None
                        if there is one
last                    u of the last proximal step, where the next one begins  (d,), None
                        to look for its own; None where none is looked for
penalty(W)              R(W)                                                    float
conjugate(V)            R*(V)                                                   float
respond(V)              W(V) and what follows from it                           `ExactResponse`
proximal(T, rho, close) argmin R(W) + (rho/2) ||W - T||_F^2, a node's weights   `Proximal`
                        to within about `close`; R is that of what is given
proximal_response(T, r) the same with ``rho`` = `r`, and its derivative         `ProximalResponse`
common_part(W)          u of the best ``w_l = u + z_l``, if weights have parts  (d,), None
curved(W, root)         R, twice differentiable: smoothed by about `root`       `Curved`
majorant(W)             M with R(U) <= tr(U M U'), all but equal at U = W;      (d, d), None
                        None of a quadratic, and where there is a common part
stiffness(n_features)   about ||grad R(W)|| / ||W||                             float
first_curvature()       about ``curvature()`` before there is any V             (m,)
covariance_factor(W)    F with F F' the covariance of the nodes; no columns     (m, k)
                        where no W tells it: the identity over m, or I - 11'/m
======================  ======================================================  ===========

======================  ======================================================  ===========
of a `Response`         what                                                    gives
======================  ======================================================  ===========
value                   R*(V)                                                   float
W                       grad R*(V)                                              (m, d)
product(dV)             J[dV]; `dV` may be a stack of directions                as dV
spectral()              J as `Spectral`; None unless it has that form           `Spectral`, None
======================  ======================================================  ===========

======================  ======================================================  ===========
of an `ExactResponse`   what                                                    gives
======================  ======================================================  ===========
penalty                 R(W)                                                    float
rank                    of W, decided from V; of a quadratic min(m, d)          int
frozen_product(dV)      (1/2) B dV, Sigma held                                  (m, d)
curvature()             diagonal of (1/2) B, Sigma held                         (m,)
rounded(excess)         R* with kinks rounded off that change it by about       `Response`
                        `excess`, at the same V
======================  ======================================================  ===========

=======================  =====================================================  ===========
of a `ProximalResponse`  what                                                   gives
=======================  =====================================================  ===========
W                        the proximal step from T                               (m, d)
rank                     of W, decided from T; of a quadratic min(m, d);        int
                         beside a common part that of what is tied, and one
product(dV)              derivative of W with respect to ``rho T``              as dV
frozen_product(dV)       the same, Sigma held                                   (m, d)
=======================  =====================================================  ===========

======================  ======================================================  ===========
of a `Curved`           what                                                    gives
======================  ======================================================  ===========
value                   the (smoothed) R(W)                                     float
slope                   its gradient                                            (m, d)
hessian()               its second derivative, of weights row by row            (m d, m d)
======================  ======================================================  ===========

Four regularisers are known, and each beside a common part of all nodes (`common`).
`quadratic.Independent` has ``R = lambda2 ||W||_F^2``.
`quadratic.Fixed` has ``R = lambda1 tr(W' Omega W) + lambda2 ||W||_F^2`` for a given ``Omega``.
`quadratic.MeanTied` is the same for ``Omega = I - 11'/m``, of any number of nodes.
`learned.Learned` takes the best covariance ``Sigma = Omega^-1`` of trace one for every ``W``,
which makes ``R = lambda1 ||W||_*^2 + lambda2 ||W||_F^2`` with the nuclear norm: jointly convex.
`own_relationship.OwnRelationship` is made of what users bring.

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

    value: float

    @property
    def W(self) -> Array: ...
    def product(self, dV: Array) -> Array: ...
    def spectral(self) -> Spectral | None: ...


class ExactResponse(Response, Protocol):
    """The same of R* itself, whose kinks can be rounded off."""

    penalty: float
    rank: int

    def frozen_product(self, dV: Array) -> Array: ...
    def curvature(self) -> Array: ...
    def rounded(self, excess: float) -> Response: ...


class ProximalResponse(Protocol):
    """A proximal step from T as a function of ``rho T``."""

    rank: int

    @property
    def W(self) -> Array: ...
    def product(self, dV: Array) -> Array: ...
    def frozen_product(self, dV: Array) -> Array: ...


class Proximal(NamedTuple):
    """``argmin R(W) + (rho/2) ||W - T||_F^2`` and R there."""

    W: Array  #: (m, d)
    penalty: float


class Curved(Protocol):
    """A regulariser with a second derivative, at one point."""

    value: float
    slope: Array

    def hessian(self) -> Array: ...


class Relationship(Protocol):
    """A regulariser ``R``, seen through its conjugate."""

    n_nodes: int
    is_quadratic: bool
    is_homogeneous: bool
    is_smoothable: bool
    own_rho: float | None
    last: Array | None

    def penalty(self, W: Array) -> float: ...
    def conjugate(self, V: Array) -> float: ...
    def respond(self, V: Array) -> ExactResponse: ...
    def proximal(self, T: Array, rho: float, close: float = 0.0) -> Proximal: ...
    def proximal_response(self, T: Array, rho: float) -> ProximalResponse: ...
    def common_part(self, W: Array) -> Array | None: ...
    def curved(self, W: Array, root: float) -> Curved: ...
    def majorant(self, W: Array) -> Array | None: ...
    def stiffness(self, n_features: int) -> float: ...
    def first_curvature(self) -> Array: ...
    def covariance_factor(self, W: Array) -> Array: ...


class Spectral(NamedTuple):
    """``J[dV] = dV Z diag(rho) Z' + U (inside(M) - M diag(rho)) Z'`` with ``M = U' dV Z``.

    ``inside`` takes and returns stacks of (d, d) and is symmetric.
    """

    U: Array  #: (m, d), orthonormal columns
    Zt: Array  #: (d, d), orthogonal
    rho: Array  #: (d,)
    inside: Callable[[Array], Array]
