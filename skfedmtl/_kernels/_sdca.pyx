# cython: language_level=3, boundscheck=False, wraparound=False
# cython: cdivision=True, initializedcheck=False
"""Coordinate ascent on the dual of one node.

A visit improves the dual variables ``a`` of the node one at a time, each by the exact
maximiser of the local sub-problem::

    q_i  = curvature * weight_i * ||x_i||^2
    f_i  = x_i . w
    a_i <- step(a_i, f_i, y_i, q_i)
    w   <- w + curvature * weight_i * (change of a_i) * x_i

Each loss is a final class with two C methods, so that the compiler inlines the step
into its own copy of the loop: no branch on the loss inside the loop. The second is the
change of a_i; that of squares of residuals keeps the digits which a sum with a_i rounds off.

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
from libc.math cimport exp, fabs, log
from libc.stdint cimport int32_t, int64_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset


@cython.final
cdef class SquaredError:
    """a + (y - f - a/2) / (1/2 + q)."""

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        return a + (y - 0.5 * a - f) / (0.5 + q)

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return (y - 0.5 * a - f) / (0.5 + q)


@cython.final
cdef class Huber:
    """clip(a + (y - f - a/2) / (1/2 + q), -2 delta, 2 delta)."""

    cdef double bound

    def __init__(self, delta):
        self.bound = 2.0 * delta

    def __reduce__(self):
        return Huber, (0.5 * self.bound,)

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double new = a + (y - 0.5 * a - f) / (0.5 + q)
        if new < -self.bound:
            new = -self.bound
        elif new > self.bound:
            new = self.bound
        return new

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        cdef double change = (y - 0.5 * a - f) / (0.5 + q)
        return change if fabs(new) < self.bound else new - a


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

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return new - a


@cython.final
cdef class SmoothHinge:
    """y clip(ya + (1 - yf - width (ya - 1/2)) / (width + q), 0, 1): a parabola for the kink."""

    cdef double width

    def __init__(self, double width):
        self.width = width

    def __reduce__(self):
        return SmoothHinge, (self.width,)

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double b = y * a
        b += (1.0 - y * f - self.width * (b - 0.5)) / (self.width + q)
        if b < 0.0:
            b = 0.0
        elif b > 1.0:
            b = 1.0
        return y * b

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return new - a


@cython.final
cdef class SquaredHinge:
    """y max(0, ya + (1 - yf - ya/2) / (1/2 + q))."""

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double b = y * a
        b += (1.0 - 0.5 * b - y * f) / (0.5 + q)
        return y * b if b > 0.0 else 0.0

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return new - a


cdef double _SMALLEST = 2.0 ** -1022
cdef double _LARGEST = 1.0 - 2.0 ** -53
cdef int _MOST_STEPS = 1000  # about log(q) are taken
cdef double _NOTHING_LEFT = 1e-8  # a fall whose square rounding hides


@cython.final
cdef class Logistic:
    """The root of log(b / (1 - b)) + yf + q (b - ya) = 0, b = ya in (0, 1).

    As a function of the logit z of b the left side rises, bending up for z < 0 and down
    for z > 0. Mirrored to have its root at z <= 0 and started to the right of it, Newton's
    method falls to the root without ever passing it, for any q, and needs no bracket; it
    is done when rounding stops the fall, or what is left after it, at most its square. The first
    step begins at the last root, where the last term is zero, if that is where it bends up.
    """

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        cdef double start = y * a
        cdef double margin = y * f
        cdef bint mirrored = margin + q * (0.5 - start) < 0.0
        cdef double z, power, b, fall, lower
        cdef int _
        if mirrored:
            start = 1.0 - start
            margin = -margin
        z = q * start - margin  # the left side is q b there
        if z > 0.0:
            z = 0.0
        if start <= 0.5:
            lower = log(start / (1.0 - start))
            lower -= (lower + margin) / (1.0 + q * start * (1.0 - start))
            if lower < z:  # not if there is no such number
                z = lower
        power = exp(z)
        b = power / (1.0 + power)
        for _ in range(_MOST_STEPS):
            fall = (z + margin + q * (b - start)) / (1.0 + q * b / (1.0 + power))
            lower = z - fall
            if not lower < z:
                break
            z = lower
            if fall < _NOTHING_LEFT:
                power -= fall * power
                b = power / (1.0 + power)
                break
            power = exp(z)
            b = power / (1.0 + power)
        if mirrored:
            b = 1.0 - b
        if b < _SMALLEST:
            b = _SMALLEST
        elif b > _LARGEST:
            b = _LARGEST
        return y * b

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return new - a


@cython.final
cdef class Own:
    """A step in Python: a thousand times slower, of any loss."""

    cdef object function

    def __init__(self, function):
        self.function = function

    def __reduce__(self):
        return Own, (self.function,)

    cdef inline double step(self, double a, double f, double y, double q) noexcept nogil:
        with gil:
            return self.function(a, f, y, q)

    cdef inline double change(
        self, double a, double f, double y, double q, double new
    ) noexcept nogil:
        return new - a


ctypedef fused LossKernel:
    SquaredError
    Huber
    Hinge
    SmoothHinge
    SquaredHinge
    Logistic
    Own


cdef extern from "_dense.h" nogil:
    ctypedef struct DenseTurn:
        double c
        const double* moved
        const double* x
        const double* soon
        const double* late

    ctypedef struct DenseCode:
        pass

    const DenseCode* dense_code(bint wide) noexcept
    const DenseCode* dense_narrow "&dense_narrow"
    double dense_take_turn(
        const DenseCode* code, const DenseTurn* turn, double* w, Py_ssize_t d
    ) noexcept
    double dense_margin(
        const DenseCode* code, const double* x, const double* w, Py_ssize_t d
    ) noexcept
    void dense_move(
        const DenseCode* code, double c, const double* x, double* w, Py_ssize_t d
    ) noexcept
    double dense_rest_dot(
        const double* x, const double* w, Py_ssize_t start, Py_ssize_t d
    ) noexcept
    void DENSE_FETCH(const void* address) noexcept


cdef const DenseCode* _code = dense_code(True)


def use_wide(bint wanted):
    """Whether the 256-bit code runs from now on, if it is wanted; the bits stay the same."""
    global _code
    _code = dense_code(wanted)
    return _code != dense_narrow


cdef inline Py_ssize_t _rows_ahead(Py_ssize_t d) noexcept nogil:
    """Rows from one that is read to the one fetched for the second time, about 8 kB."""
    cdef Py_ssize_t n_bytes = 8 * d
    if n_bytes > 65536:
        return 0  # few such rows fit a cache, and the processor itself sees what follows
    return min(16, max(1, 8192 // max(1, n_bytes)))


cdef Py_ssize_t _pass_over(
    LossKernel loss,
    const double[:, ::1] X,
    const double[::1] y,
    const double[::1] weight,
    const double[::1] squared_norm,
    Py_ssize_t* order,
    Py_ssize_t live,
    double curvature,
    int n_passes,
    double[::1] alpha,
    double* w,
) noexcept nogil:
    """`visit`, on so many rows listed in `order`; how many moved in the last pass, listed first."""
    cdef Py_ssize_t d = X.shape[1]
    cdef Py_ssize_t ahead = _rows_ahead(d)
    cdef Py_ssize_t kept, k, i, late
    cdef double scale, q, old, new, f
    cdef const DenseCode* code = _code
    cdef DenseTurn turn
    cdef int _
    turn.c = 0.0
    turn.moved = NULL  # `w` learns of a moved row as the next one is read
    for _ in range(n_passes):
        kept = 0
        for k in range(live):
            i = order[k]
            late = order[min(k + 2 * ahead, live - 1)]
            turn.x = &X[i, 0]
            turn.soon = &X[order[min(k + ahead, live - 1)], 0]
            turn.late = &X[late, 0]
            DENSE_FETCH(&y[late])
            DENSE_FETCH(&weight[late])
            DENSE_FETCH(&squared_norm[late])
            DENSE_FETCH(&alpha[late])
            scale = curvature * weight[i]
            old = alpha[i]
            q = scale * squared_norm[i]
            f = dense_take_turn(code, &turn, w, d)
            new = loss.step(old, f, y[i], q)
            turn.moved = NULL
            if new != old:
                alpha[i] = new
                turn.c = scale * loss.change(old, f, y[i], q, new)
                turn.moved = turn.x
                order[k] = order[kept]
                order[kept] = i
                kept += 1
        live = kept
        if live == 0:
            break
    if turn.moved != NULL:
        dense_move(code, turn.c, turn.moved, w, d)
    return live


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
    with nogil:
        _pass_over(
            loss, X, y, weight, squared_norm,
            &order[0], order.shape[0], curvature, n_passes, alpha, &w[0],
        )


cdef inline double _distance_and_copy(const double* w, double* before, Py_ssize_t d) noexcept nogil:
    """The squared distance from `before`, which becomes a copy of `w`."""
    cdef double total = 0.0
    cdef Py_ssize_t j
    for j in range(d):
        total += (w[j] - before[j]) * (w[j] - before[j])
        before[j] = w[j]
    return total


cdef inline uint64_t _shuffle(Py_ssize_t* order, Py_ssize_t n, uint64_t state) noexcept nogil:
    """Bring the rows into an order drawn by xorshift64*; the generator's next state."""
    cdef Py_ssize_t k, other, kept
    for k in range(n - 1, 0, -1):
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        other = <Py_ssize_t>(((state * <uint64_t>2685821657736338717ULL) >> 11) % <uint64_t>(k + 1))
        kept = order[k]
        order[k] = order[other]
        order[other] = kept
    return state


def shuffle(Py_ssize_t[::1] order, uint64_t state):
    """Draw an order of rows, as `relax_by_node` does; the generator's next state."""
    if order.shape[0] == 0:
        return state
    return _shuffle(&order[0], order.shape[0], state)


def relax_by_node(
    LossKernel loss,
    const double[:, ::1] X,
    const double[::1] y,
    const double[::1] weight,
    const double[::1] squared_norm,
    const Py_ssize_t[::1] starts,
    Py_ssize_t first,
    Py_ssize_t last,
    Py_ssize_t[::1] order,
    const uint64_t[::1] seeds,
    double curvature,
    double close,
    int least,
    int most,
    int between,
    double[::1] alpha,
    double[:, ::1] W,
):
    """The nodes' proximal steps, each about ``argmin F_l(w) + ||w - base_l||^2 / (2 curvature)``.

    A node passes over all its rows, which ``order`` lists up to ``starts``, and between two such
    passes up to ``between`` times over those that have moved, until a pass moves its weights by
    no more than ``close``; it makes ``least`` to ``most`` full passes. ``W`` begins as
    ``base + curvature v`` and ends as the nodes' local views; only nodes from ``first`` to
    before ``last`` work, so that threads can share the nodes.
    """
    cdef Py_ssize_t d = X.shape[1], node, start, live, n
    cdef int n_passes, _more
    cdef double enough = close * close
    cdef uint64_t state
    cdef double* before = <double*>malloc(max(d, 1) * sizeof(double))
    cdef double* w
    if before == NULL:
        raise MemoryError()
    with nogil:
        for node in range(first, last):
            start, n = starts[node], starts[node + 1] - starts[node]
            if n == 0:
                continue
            state = seeds[node] | 1
            w = &W[node, 0]
            memcpy(before, w, d * sizeof(double))
            for n_passes in range(1, most + 1):
                state = _shuffle(&order[start], n, state)
                live = _pass_over(
                    loss, X, y, weight, squared_norm, &order[start], n, curvature, 1, alpha, w
                )
                if _distance_and_copy(w, before, d) <= enough and n_passes >= least:
                    break
                if n_passes == most:
                    break
                for _more in range(between):
                    if live == 0:
                        break
                    live = _pass_over(
                        loss, X, y, weight, squared_norm, &order[start], live, curvature, 1,
                        alpha, w,
                    )
                    if _distance_and_copy(w, before, d) <= 0.01 * enough:
                        break
    free(before)


cdef inline Py_ssize_t _pass_in_kernel(
    LossKernel loss,
    const double* K,
    Py_ssize_t n,
    const double* y,
    const double* weight,
    Py_ssize_t* order,
    Py_ssize_t live,
    double curvature,
    double* alpha,
    double* f,
) noexcept nogil:
    """One pass over the rows listed in `order`; how many have moved, which are listed first."""
    cdef Py_ssize_t kept = 0, k, i
    cdef double scale, q, old, new
    for k in range(live):
        i = order[k]
        scale = curvature * weight[i]
        old = alpha[i]
        q = scale * K[i * n + i]
        new = loss.step(old, f[i], y[i], q)
        if new != old:
            alpha[i] = new
            dense_move(_code, scale * loss.change(old, f[i], y[i], q, new), &K[i * n], f, n)
            order[k] = order[kept]
            order[kept] = i
            kept += 1
    return kept


cdef inline double _energy(
    const double* weight, const double* alpha, const double* f, double* before, Py_ssize_t n
) noexcept nogil:
    """The product of the changes of ``weight alpha`` and of ``f`` since `before`, now as they are.

    With ``f = curvature K (weight alpha)`` that is the squared change of ``X' (weight alpha)``,
    times the curvature.
    """
    cdef double total = 0.0
    cdef Py_ssize_t i
    for i in range(n):
        total += weight[i] * (alpha[i] - before[i]) * (f[i] - before[n + i])
        before[i] = alpha[i]
        before[n + i] = f[i]
    return total


def relax_in_kernel(
    LossKernel loss,
    const double[::1] K,
    const Py_ssize_t[::1] places,
    const double[::1] y,
    const double[::1] weight,
    const Py_ssize_t[::1] starts,
    const Py_ssize_t[::1] ends,
    Py_ssize_t[::1] order,
    const uint64_t[::1] seeds,
    double curvature,
    double close,
    int least,
    int most,
    int between,
    double[::1] alpha,
    double[::1] f,
):
    """The nodes' proximal steps as `relax_by_node` makes them, by their kernels ``K = X X'``.

    That of a node begins at ``places[node]``, row after row, its rows at ``starts[node]``;
    ``order`` lists its rows of positive weight from ``ends[node]``, counted within the node. ``f``
    begins as ``X base + curvature K (weight alpha)`` and ends as the same of the new ``alpha``. How
    far a pass moves the weights follows from how it moves ``f``.
    """
    cdef Py_ssize_t node, n, n_rows, live, largest = 0
    cdef int n_passes, _more
    cdef double enough = close * close
    cdef uint64_t state
    cdef const double* own
    cdef const double* targets
    cdef const double* share
    cdef Py_ssize_t* rows
    cdef double* dual
    cdef double* margin
    cdef double* before
    for node in range(starts.shape[0] - 1):
        largest = max(largest, starts[node + 1] - starts[node])
    before = <double*>malloc(max(2 * largest, 1) * sizeof(double))
    if before == NULL:
        raise MemoryError()
    with nogil:
        for node in range(starts.shape[0] - 1):
            n, n_rows = starts[node + 1] - starts[node], ends[node + 1] - ends[node]
            if n_rows == 0:
                continue
            own, targets, share = &K[places[node]], &y[starts[node]], &weight[starts[node]]
            rows, dual, margin = &order[ends[node]], &alpha[starts[node]], &f[starts[node]]
            state = seeds[node] | 1
            memcpy(before, dual, n * sizeof(double))
            memcpy(before + n, margin, n * sizeof(double))
            for n_passes in range(1, most + 1):
                state = _shuffle(rows, n_rows, state)
                live = _pass_in_kernel(
                    loss, own, n, targets, share, rows, n_rows, curvature, dual, margin
                )
                if (
                    curvature * _energy(share, dual, margin, before, n) <= enough
                    and n_passes >= least
                ):
                    break
                if n_passes == most:
                    break
                for _more in range(between):
                    if live == 0:
                        break
                    live = _pass_in_kernel(
                        loss, own, n, targets, share, rows, live, curvature, dual, margin
                    )
                    if curvature * _energy(share, dual, margin, before, n) <= 0.01 * enough:
                        break
    free(before)


cdef inline void _margins(
    const double[:, ::1] X, Py_ssize_t start, Py_ssize_t stop, const double* w, double[::1] out
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        out[i] = dense_margin(_code, &X[i, 0], w, X.shape[1])


cdef inline void _accumulate(
    const double[:, ::1] X,
    Py_ssize_t start,
    Py_ssize_t stop,
    const double[::1] coefficient,
    double* out,
) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(start, stop):
        if coefficient[i] != 0.0:
            dense_move(_code, coefficient[i], &X[i, 0], out, X.shape[1])


def margins(const double[:, ::1] X, const double[::1] w, double[::1] out):
    """out = X w, in an order that no number of BLAS threads can change."""
    if X.shape[1] > 0:
        with nogil:
            _margins(X, 0, X.shape[0], &w[0], out)


def accumulate(const double[:, ::1] X, const double[::1] coefficient, double[::1] out):
    """out += X' coefficient, in the order of the rows."""
    if X.shape[1] > 0:
        with nogil:
            _accumulate(X, 0, X.shape[0], coefficient, &out[0])


def margins_by_node(
    const double[:, ::1] X,
    const Py_ssize_t[::1] starts,
    const double[:, ::1] W,
    double[::1] out,
):
    """`margins` of every node, whose rows begin at ``starts[node]``, with its row of W."""
    cdef Py_ssize_t node
    if X.shape[1] > 0:
        with nogil:
            for node in range(starts.shape[0] - 1):
                _margins(X, starts[node], starts[node + 1], &W[node, 0], out)


def accumulate_by_node(
    const double[:, ::1] X,
    const Py_ssize_t[::1] starts,
    const double[::1] coefficient,
    double[:, ::1] out,
):
    """`accumulate` of every node, whose rows begin at ``starts[node]``, into its row of out."""
    cdef Py_ssize_t node
    if X.shape[1] > 0:
        with nogil:
            for node in range(starts.shape[0] - 1):
                _accumulate(X, starts[node], starts[node + 1], coefficient, &out[node, 0])


cdef inline void _take_off(
    const double* mean, double* row, Py_ssize_t d, double noise
) noexcept nogil:
    """What is left of a constant by rounding becomes zero."""
    cdef Py_ssize_t j
    for j in range(d):
        row[j] -= mean[j]
        if fabs(row[j]) <= noise * fabs(mean[j]):
            row[j] = 0.0


def centre_by_node(
    double[:, ::1] X,
    const Py_ssize_t[::1] starts,
    const Py_ssize_t[::1] which,
    const double[::1] weight,
    double noise,
    double[:, ::1] mean,
):
    """Take the weighted mean off the rows of every node in ``which``, and put it into ``mean``.

    Twice: once more for what rounding left.
    """
    cdef Py_ssize_t d = X.shape[1], place, node, _turn, i, j
    cdef double* part
    if d == 0:
        return
    part = <double*>malloc(d * sizeof(double))
    if part == NULL:
        raise MemoryError()
    with nogil:
        for place in range(which.shape[0]):
            node = which[place]
            memset(&mean[node, 0], 0, d * sizeof(double))
            for _turn in range(2):
                memset(part, 0, d * sizeof(double))
                _accumulate(X, starts[node], starts[node + 1], weight, part)
                for i in range(starts[node], starts[node + 1]):
                    _take_off(part, &X[i, 0], d, noise)
                for j in range(d):
                    mean[node, j] += part[j]
    free(part)


ctypedef fused Index:
    int32_t
    int64_t


cdef inline double _sparse_dot(
    const double* data, const Index* indices, Py_ssize_t start, Py_ssize_t stop, const double* w
) noexcept nogil:
    """Blocks of four products in two running sums, then what is left."""
    cdef double even = 0.0, odd = 0.0
    cdef Py_ssize_t p = start
    while p + 4 <= stop:
        even += data[p] * w[indices[p]] + data[p + 2] * w[indices[p + 2]]
        odd += data[p + 1] * w[indices[p + 1]] + data[p + 3] * w[indices[p + 3]]
        p += 4
    even += odd
    while p < stop:
        even += data[p] * w[indices[p]]
        p += 1
    return even


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

    How many rows moved in the last pass, which are then listed first, is returned. With
    ``w = u - shift mean`` a step changes the stored columns of ``u`` and three numbers:
    ``x_i . w`` is ``x_i . u - shift along_i`` for ``along_i = x_i . mean``, and ``mean . w``
    follows from ``level = mean . u``.
    """
    cdef Py_ssize_t live = order.shape[0]
    cdef Py_ssize_t kept, k, i, p
    cdef double scale, q, old, new, f, c
    cdef double shift = 0.0, level = 0.0, length = 0.0
    cdef bint centred = mean.shape[0] > 0
    cdef int _
    with nogil:
        if centred:
            level = dense_rest_dot(&mean[0], &w[0], 0, mean.shape[0])
            length = dense_rest_dot(&mean[0], &mean[0], 0, mean.shape[0])
        for _ in range(n_passes):
            kept = 0
            for k in range(live):
                i = order[k]
                scale = curvature * weight[i]
                old = alpha[i]
                f = _sparse_dot(&data[0], &indices[0], indptr[i], indptr[i + 1], &w[0])
                if centred:
                    f += shift * (length - along[i]) - level
                q = scale * squared_norm[i]
                new = loss.step(old, f, y[i], q)
                if new != old:
                    alpha[i] = new
                    c = scale * loss.change(old, f, y[i], q, new)
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
    return live


def sparse_margins(
    const double[::1] data,
    const Index[::1] indices,
    const Index[::1] indptr,
    const double[::1] w,
    double[::1] out,
):
    """out = X w for sparse rows."""
    cdef Py_ssize_t i
    with nogil:
        for i in range(indptr.shape[0] - 1):
            out[i] = _sparse_dot(&data[0], &indices[0], indptr[i], indptr[i + 1], &w[0])


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
