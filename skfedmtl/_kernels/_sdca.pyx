# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Coordinate ascent on the dual of one node.

A visit improves the dual variables ``a`` of the node one at a time, each by the exact
maximiser of the local sub-problem::

    q_i  = curvature * weight_i * ||x_i||^2
    f_i  = x_i . w
    a_i <- step(a_i, f_i, y_i, q_i)
    w   <- w + curvature * weight_i * (change of a_i) * x_i

Each loss is a final class with one C method, so that the compiler inlines the step
into its own copy of the loop: no branch on the loss inside the loop.

====================  ======================================  ==========
symbol                variable                                shape
====================  ======================================  ==========
x_i                   ``X[i]``                                (d,)
s_i / c_l             ``weight[i]``                           (n,)
a                     ``alpha[i]``                            (n,)
g_l B_ll / 2          ``curvature``                           scalar
w_l, local view       ``w``                                   (d,)
====================  ======================================  ==========
"""

cimport cython
from libc.math cimport exp
from libc.stdint cimport int32_t, int64_t


@cython.final
cdef class SquaredError:
    """a + (y - f - a/2) / (1/2 + q)."""

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        return a + (y - f - 0.5 * a) / (0.5 + q)


@cython.final
cdef class Hinge:
    """y clip(ya + (1 - yf) / q, 0, 1); a row of zeros (q = 0) takes a = y."""

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double b
        if q <= 0.0:
            return y
        b = y * a + (1.0 - y * f) / q
        if b < 0.0:
            b = 0.0
        elif b > 1.0:
            b = 1.0
        return y * b


@cython.final
cdef class SquaredHinge:
    """y max(0, ya + (1 - yf - ya/2) / (1/2 + q))."""

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double b = y * a
        b += (1.0 - y * f - 0.5 * b) / (0.5 + q)
        return y * b if b > 0.0 else 0.0


cdef double _SMALLEST = 2.0 ** -1022
cdef double _LARGEST = 1.0 - 2.0 ** -53
cdef int _MOST_STEPS = 1000  # about log(q) are taken


@cython.final
cdef class Logistic:
    """The root of log(b / (1 - b)) + yf + q (b - ya) = 0, b = ya in (0, 1).

    As a function of the logit z of b the left side rises, bending up for z < 0 and down
    for z > 0. Mirrored to have its root at z <= 0 and started to the right of it, Newton's
    method falls to the root without ever passing it, for any q, and needs no bracket; it
    is done when rounding stops the fall.
    """

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double start = y * a
        cdef double margin = y * f
        cdef bint mirrored = margin + q * (0.5 - start) < 0.0
        cdef double z, power, b, value, lower
        cdef int _
        if mirrored:
            start = 1.0 - start
            margin = -margin
        z = q * start - margin  # the left side is q b there
        if z > 0.0:
            z = 0.0
        power = exp(z)
        b = power / (1.0 + power)
        for _ in range(_MOST_STEPS):
            value = z + margin + q * (b - start)
            lower = z - value / (1.0 + q * b / (1.0 + power))
            if not lower < z:
                break
            z = lower
            power = exp(z)
            b = power / (1.0 + power)
        if mirrored:
            b = 1.0 - b
        if b < _SMALLEST:
            b = _SMALLEST
        elif b > _LARGEST:
            b = _LARGEST
        return y * b


ctypedef fused LossKernel:
    SquaredError
    Hinge
    SquaredHinge
    Logistic


cdef enum:
    _WIDE = 32  # shorter rows gain nothing from several sums
    _NEAR = 2  # rows between a long one that is read and the one that is fetched
    _FAR = 12  # the same for short ones


cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define FETCH_AHEAD(address) __builtin_prefetch(address)
    #else
    #define FETCH_AHEAD(address)
    #endif
    """
    void FETCH_AHEAD(const void* address) noexcept nogil


cdef inline double _dot(
    const double* x, const double* w, const double* later, Py_ssize_t d
) noexcept nogil:
    """x . w; eight running sums hide the latency of an addition, and `later` is fetched."""
    cdef double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0
    cdef double s4 = 0.0, s5 = 0.0, s6 = 0.0, s7 = 0.0
    cdef double rest = 0.0
    cdef Py_ssize_t blocks = d // 8 if d >= _WIDE else 0
    cdef Py_ssize_t block, j
    for block in range(blocks):
        j = 8 * block
        FETCH_AHEAD(later + j)
        s0 += x[j] * w[j]
        s1 += x[j + 1] * w[j + 1]
        s2 += x[j + 2] * w[j + 2]
        s3 += x[j + 3] * w[j + 3]
        s4 += x[j + 4] * w[j + 4]
        s5 += x[j + 5] * w[j + 5]
        s6 += x[j + 6] * w[j + 6]
        s7 += x[j + 7] * w[j + 7]
    FETCH_AHEAD(later + 8 * blocks)
    for j in range(8 * blocks, d):
        rest += x[j] * w[j]
    return ((s0 + s4) + (s2 + s6)) + ((s1 + s5) + (s3 + s7)) + rest


cdef inline void _axpy(double c, const double* x, double* w, Py_ssize_t d) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(d):
        w[j] += c * x[j]


def visit(
    LossKernel loss,
    const double[:, ::1] X,
    const double[::1] y,
    const double[::1] weight,
    const double[::1] squared_norm,
    Py_ssize_t[::1] order,
    double curvature,
    int n_passes,
    double[::1] alpha,
    double[::1] w,
):
    """Pass over the rows listed in ``order``, at most ``n_passes`` times.

    A row that did not move in one pass is left out of the next ones: most rows of a
    hinge loss rest at a bound. ``alpha``, the local view ``w`` and ``order`` change in
    place.
    """
    cdef Py_ssize_t d = X.shape[1]
    cdef Py_ssize_t live = order.shape[0]
    cdef Py_ssize_t ahead = _NEAR if d >= _WIDE else _FAR
    cdef Py_ssize_t later
    cdef Py_ssize_t kept, k, i
    cdef double scale, old, new
    cdef int _
    with nogil:
        for _ in range(n_passes):
            kept = 0
            for k in range(live):
                later = order[k + ahead if k + ahead < live else k]
                i = order[k]
                scale = curvature * weight[i]
                old = alpha[i]
                new = loss.step(
                    old,
                    _dot(&X[i, 0], &w[0], &X[later, 0], d),
                    y[i],
                    scale * squared_norm[i],
                )
                if new != old:
                    alpha[i] = new
                    _axpy(scale * (new - old), &X[i, 0], &w[0], d)
                    order[k] = order[kept]
                    order[kept] = i
                    kept += 1
            live = kept
            if live == 0:
                break


def margins(const double[:, ::1] X, const double[::1] w, double[::1] out):
    """out = X w, in an order that no number of BLAS threads can change."""
    cdef Py_ssize_t d = X.shape[1]
    cdef Py_ssize_t i
    if d == 0:
        return
    with nogil:
        for i in range(X.shape[0]):
            out[i] = _dot(&X[i, 0], &w[0], &X[i, 0], d)


def accumulate(const double[:, ::1] X, const double[::1] coefficient, double[::1] out):
    """out += X' coefficient, in the order of the rows."""
    cdef Py_ssize_t d = X.shape[1]
    cdef Py_ssize_t i
    if d == 0:
        return
    with nogil:
        for i in range(X.shape[0]):
            if coefficient[i] != 0.0:
                _axpy(coefficient[i], &X[i, 0], &out[0], d)


ctypedef fused Index:
    int32_t
    int64_t


def sparse_visit(
    LossKernel loss,
    const double[::1] data,
    const Index[::1] indices,
    const Index[::1] indptr,
    const double[::1] mean,
    const double[::1] along,
    const double[::1] y,
    const double[::1] weight,
    const double[::1] squared_norm,
    Py_ssize_t[::1] order,
    double curvature,
    int n_passes,
    double[::1] alpha,
    double[::1] w,
):
    """The same on sparse rows, less a mean that may be empty.

    With ``w = u - shift mean`` a step changes the stored columns of ``u`` and three numbers:
    ``x_i . w`` is ``x_i . u - shift along_i`` for ``along_i = x_i . mean``, and ``mean . w``
    follows from ``level = mean . u``.
    """
    cdef Py_ssize_t live = order.shape[0]
    cdef Py_ssize_t kept, k, i, p
    cdef double scale, old, new, f, c
    cdef double shift = 0.0, level = 0.0, length = 0.0
    cdef bint centred = mean.shape[0] > 0
    cdef int _
    with nogil:
        for p in range(mean.shape[0]):
            level += mean[p] * w[p]
            length += mean[p] * mean[p]
        for _ in range(n_passes):
            kept = 0
            for k in range(live):
                i = order[k]
                scale = curvature * weight[i]
                old = alpha[i]
                f = 0.0
                for p in range(indptr[i], indptr[i + 1]):
                    f += data[p] * w[indices[p]]
                if centred:
                    f += shift * (length - along[i]) - level
                new = loss.step(old, f, y[i], scale * squared_norm[i])
                if new != old:
                    alpha[i] = new
                    c = scale * (new - old)
                    for p in range(indptr[i], indptr[i + 1]):
                        w[indices[p]] += c * data[p]
                    if centred:
                        shift += c
                        level += c * along[i]
                    order[k] = order[kept]
                    order[kept] = i
                    kept += 1
            live = kept
            if live == 0:
                break
        for p in range(mean.shape[0]):
            w[p] -= shift * mean[p]


def sparse_margins(
    const double[::1] data,
    const Index[::1] indices,
    const Index[::1] indptr,
    const double[::1] w,
    double[::1] out,
):
    """out = X w for sparse rows."""
    cdef Py_ssize_t i, p
    cdef double f
    with nogil:
        for i in range(indptr.shape[0] - 1):
            f = 0.0
            for p in range(indptr[i], indptr[i + 1]):
                f += data[p] * w[indices[p]]
            out[i] = f


def sparse_accumulate(
    const double[::1] data,
    const Index[::1] indices,
    const Index[::1] indptr,
    const double[::1] coefficient,
    double[::1] out,
):
    """out += X' coefficient for sparse rows."""
    cdef Py_ssize_t i, p
    cdef double c
    with nogil:
        for i in range(indptr.shape[0] - 1):
            c = coefficient[i]
            if c != 0.0:
                for p in range(indptr[i], indptr[i + 1]):
                    out[indices[p]] += c * data[p]
