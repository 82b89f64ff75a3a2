/* Inner products and updates of dense rows: the same bits on every machine.

   An inner product of DENSE_LONG columns or more has eight running sums over blocks of
   eight columns, and two over the columns that are left; one of fewer columns has the last
   two alone. They are added in a fixed order, and no product is fused with an addition: so
   the width of the registers does not show, 256 bits where the processor has them, else 128.

   Two later rows, `soon` and `late`, are fetched meanwhile into the second-level cache,
   which takes many more requests at a time than the first; those beyond are dropped, hence
   the second one for every row. */

#ifndef SKFEDMTL_DENSE_H
#define SKFEDMTL_DENSE_H

#include <stddef.h>
#include <string.h>

#if defined(__GNUC__) || defined(__clang__)
#define DENSE_INLINE static inline __attribute__((always_inline))
#define DENSE_FETCH(address) __builtin_prefetch(address)
#define DENSE_FETCH_FAR(address) __builtin_prefetch(address, 0, 2)
#else
#define DENSE_INLINE static inline
#define DENSE_FETCH(address) ((void)(address))
#define DENSE_FETCH_FAR(address) ((void)(address))
#endif

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#include <immintrin.h>
#define DENSE_HAS_WIDE 1
#define DENSE_WIDE __attribute__((target("avx")))
#else
#define DENSE_HAS_WIDE 0
#endif

enum {
    DENSE_BLOCK = 8,
    DENSE_LONG = 32 /* fewer columns gain nothing from many sums */
};

/* What a visit does next: w += c moved unless `moved` is NULL, then x . w. */
typedef struct {
    double c;
    const double *moved;
    const double *x;
    const double *soon;
    const double *late;
} DenseTurn;

typedef struct {
    double (*dot)(const DenseTurn *turn, const double *w, ptrdiff_t d);
    double (*move_dot)(const DenseTurn *turn, double *w, ptrdiff_t d);
    double (*margin)(const double *x, const double *w, ptrdiff_t d);
    void (*move)(double c, const double *x, double *w, ptrdiff_t d);
} DenseCode;

/* Pairs of numbers, 128 bits. */

#if defined(__GNUC__) || defined(__clang__)

typedef double DensePair __attribute__((vector_size(16)));

DENSE_INLINE DensePair dense_add(DensePair a, DensePair b) { return a + b; }
DENSE_INLINE DensePair dense_mul(DensePair a, DensePair b) { return a * b; }
DENSE_INLINE DensePair dense_both(double c) { return (DensePair){c, c}; }
DENSE_INLINE double dense_sum(DensePair a) { return a[0] + a[1]; }

#else

typedef struct {
    double first, second;
} DensePair;

DENSE_INLINE DensePair dense_add(DensePair a, DensePair b)
{
    return (DensePair){a.first + b.first, a.second + b.second};
}
DENSE_INLINE DensePair dense_mul(DensePair a, DensePair b)
{
    return (DensePair){a.first * b.first, a.second * b.second};
}
DENSE_INLINE DensePair dense_both(double c) { return (DensePair){c, c}; }
DENSE_INLINE double dense_sum(DensePair a) { return a.first + a.second; }

#endif

DENSE_INLINE DensePair dense_load(const double *x)
{
    DensePair pair;
    memcpy(&pair, x, sizeof pair);
    return pair;
}

DENSE_INLINE DensePair dense_move_pair(DensePair c, const double *x, double *w)
{
    const DensePair moved = dense_add(dense_load(w), dense_mul(c, dense_load(x)));
    memcpy(w, &moved, sizeof moved);
    return moved;
}

/* The eight sums added. Visits and margins differ in the order for no better reason than
   that stored results rest on their last digits. */

DENSE_INLINE double dense_fold(const DensePair *s)
{
    return dense_sum(dense_add(dense_add(s[0], s[1]), dense_add(s[2], s[3])));
}

DENSE_INLINE double dense_fold_margin(const DensePair *s)
{
    return (dense_sum(s[0]) + dense_sum(s[1])) + (dense_sum(s[2]) + dense_sum(s[3]));
}

/* Columns from j on, those after the blocks. */

DENSE_INLINE ptrdiff_t dense_blocks_end(ptrdiff_t d)
{
    return d < DENSE_LONG ? 0 : d - d % DENSE_BLOCK;
}

DENSE_INLINE double dense_rest_dot(const double *x, const double *w, ptrdiff_t j, ptrdiff_t d)
{
    DensePair s = dense_both(0.0);
    for (; j + 2 <= d; j += 2)
        s = dense_add(s, dense_mul(dense_load(x + j), dense_load(w + j)));
    return j < d ? dense_sum(s) + x[j] * w[j] : dense_sum(s);
}

DENSE_INLINE double dense_rest_move_dot(
    const DenseTurn *turn, double *w, ptrdiff_t j, ptrdiff_t d)
{
    const double *moved = turn->moved, *x = turn->x;
    const double c = turn->c;
    DensePair s = dense_both(0.0);
    for (; j + 2 <= d; j += 2)
        s = dense_add(
            s, dense_mul(dense_load(x + j), dense_move_pair(dense_both(c), moved + j, w + j)));
    if (j == d)
        return dense_sum(s);
    w[j] += c * moved[j];
    return dense_sum(s) + x[j] * w[j];
}

DENSE_INLINE void dense_rest_move(
    double c, const double *x, double *w, ptrdiff_t j, ptrdiff_t d)
{
    for (; j + 2 <= d; j += 2)
        dense_move_pair(dense_both(c), x + j, w + j);
    if (j < d)
        w[j] += c * x[j];
}

/* Lines of the cache of later rows: those of a block, and of what is left, which may reach
   into one more line as rows begin anywhere in theirs. */

DENSE_INLINE void dense_fetch_block(const DenseTurn *turn, ptrdiff_t j)
{
    DENSE_FETCH_FAR(turn->soon + j);
    DENSE_FETCH_FAR(turn->late + j);
}

DENSE_INLINE void dense_fetch_rest(const DenseTurn *turn, ptrdiff_t j, ptrdiff_t d)
{
    for (; j < d - 1; j += DENSE_BLOCK)
        dense_fetch_block(turn, j);
    dense_fetch_block(turn, d - 1);
}

/* 128 bits. */

DENSE_INLINE DensePair dense_add_product(DensePair s, const double *x, DensePair w)
{
    return dense_add(s, dense_mul(dense_load(x), w));
}

static double dense_narrow_dot(const DenseTurn *turn, const double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    const double *x = turn->x;
    DensePair s[4] = {dense_both(0.0), dense_both(0.0), dense_both(0.0), dense_both(0.0)};
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK) {
        dense_fetch_block(turn, j);
        for (int k = 0; k < 4; k++)
            s[k] = dense_add_product(s[k], x + j + 2 * k, dense_load(w + j + 2 * k));
    }
    dense_fetch_rest(turn, end, d);
    return dense_fold(s) + dense_rest_dot(x, w, end, d);
}

static double dense_narrow_move_dot(const DenseTurn *turn, double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    const double *moved = turn->moved, *x = turn->x;
    const DensePair c = dense_both(turn->c);
    DensePair s[4] = {dense_both(0.0), dense_both(0.0), dense_both(0.0), dense_both(0.0)};
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK) {
        dense_fetch_block(turn, j);
        for (int k = 0; k < 4; k++)
            s[k] = dense_add_product(
                s[k], x + j + 2 * k, dense_move_pair(c, moved + j + 2 * k, w + j + 2 * k));
    }
    dense_fetch_rest(turn, end, d);
    return dense_fold(s) + dense_rest_move_dot(turn, w, end, d);
}

static double dense_narrow_margin(const double *x, const double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    DensePair s[4] = {dense_both(0.0), dense_both(0.0), dense_both(0.0), dense_both(0.0)};
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK)
        for (int k = 0; k < 4; k++)
            s[k] = dense_add_product(s[k], x + j + 2 * k, dense_load(w + j + 2 * k));
    return dense_fold_margin(s) + dense_rest_dot(x, w, end, d);
}

static void dense_narrow_move(double c, const double *x, double *w, ptrdiff_t d)
{
    dense_rest_move(c, x, w, 0, d);
}

static const DenseCode dense_narrow = {
    dense_narrow_dot, dense_narrow_move_dot, dense_narrow_margin, dense_narrow_move};

/* The same four at 256 bits: `low` are the sums 0 to 3, `high` 4 to 7. */

#if DENSE_HAS_WIDE

DENSE_WIDE DENSE_INLINE __m256d dense_wide_product(const double *x, __m256d w)
{
    return _mm256_mul_pd(_mm256_loadu_pd(x), w);
}

DENSE_WIDE DENSE_INLINE __m256d dense_move_four(__m256d c, const double *x, double *w)
{
    const __m256d moved = _mm256_add_pd(_mm256_loadu_pd(w), dense_wide_product(x, c));
    _mm256_storeu_pd(w, moved);
    return moved;
}

DENSE_WIDE DENSE_INLINE void dense_halve(DensePair *s, __m256d low, __m256d high)
{
    s[0] = _mm256_castpd256_pd128(low);
    s[1] = _mm256_extractf128_pd(low, 1);
    s[2] = _mm256_castpd256_pd128(high);
    s[3] = _mm256_extractf128_pd(high, 1);
}

DENSE_WIDE static double dense_wide_dot(const DenseTurn *turn, const double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    const double *x = turn->x;
    __m256d low = _mm256_setzero_pd(), high = low;
    DensePair s[4];
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK) {
        dense_fetch_block(turn, j);
        low = _mm256_add_pd(low, dense_wide_product(x + j, _mm256_loadu_pd(w + j)));
        high = _mm256_add_pd(high, dense_wide_product(x + j + 4, _mm256_loadu_pd(w + j + 4)));
    }
    dense_fetch_rest(turn, end, d);
    dense_halve(s, low, high);
    return dense_fold(s) + dense_rest_dot(x, w, end, d);
}

DENSE_WIDE static double dense_wide_move_dot(const DenseTurn *turn, double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    const double *moved = turn->moved, *x = turn->x;
    const __m256d c = _mm256_set1_pd(turn->c);
    __m256d low = _mm256_setzero_pd(), high = low;
    DensePair s[4];
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK) {
        dense_fetch_block(turn, j);
        low = _mm256_add_pd(low, dense_wide_product(x + j, dense_move_four(c, moved + j, w + j)));
        high = _mm256_add_pd(
            high, dense_wide_product(x + j + 4, dense_move_four(c, moved + j + 4, w + j + 4)));
    }
    dense_fetch_rest(turn, end, d);
    dense_halve(s, low, high);
    return dense_fold(s) + dense_rest_move_dot(turn, w, end, d);
}

DENSE_WIDE static double dense_wide_margin(const double *x, const double *w, ptrdiff_t d)
{
    const ptrdiff_t end = dense_blocks_end(d);
    __m256d low = _mm256_setzero_pd(), high = low;
    DensePair s[4];
    for (ptrdiff_t j = 0; j < end; j += DENSE_BLOCK) {
        low = _mm256_add_pd(low, dense_wide_product(x + j, _mm256_loadu_pd(w + j)));
        high = _mm256_add_pd(high, dense_wide_product(x + j + 4, _mm256_loadu_pd(w + j + 4)));
    }
    dense_halve(s, low, high);
    return dense_fold_margin(s) + dense_rest_dot(x, w, end, d);
}

DENSE_WIDE static void dense_wide_move(double c, const double *x, double *w, ptrdiff_t d)
{
    const ptrdiff_t end = d - d % 4;
    for (ptrdiff_t j = 0; j < end; j += 4)
        dense_move_four(_mm256_set1_pd(c), x + j, w + j);
    dense_rest_move(c, x, w, end, d);
}

static const DenseCode dense_wide = {
    dense_wide_dot, dense_wide_move_dot, dense_wide_margin, dense_wide_move};

#endif

/* The 256-bit code, if it is wanted and runs here. */
static const DenseCode *dense_code(int wide)
{
#if DENSE_HAS_WIDE
    if (wide && __builtin_cpu_supports("avx"))
        return &dense_wide;
#endif
    (void)wide;
    return &dense_narrow;
}

/* Short rows are done without a call. */

DENSE_INLINE double dense_take_turn(
    const DenseCode *code, const DenseTurn *turn, double *w, ptrdiff_t d)
{
    if (d >= DENSE_LONG)
        return turn->moved ? code->move_dot(turn, w, d) : code->dot(turn, w, d);
    dense_fetch_rest(turn, 0, d);
    return turn->moved ? dense_rest_move_dot(turn, w, 0, d) : dense_rest_dot(turn->x, w, 0, d);
}

DENSE_INLINE double dense_margin(
    const DenseCode *code, const double *x, const double *w, ptrdiff_t d)
{
    return d >= DENSE_LONG ? code->margin(x, w, d) : dense_rest_dot(x, w, 0, d);
}

DENSE_INLINE void dense_move(
    const DenseCode *code, double c, const double *x, double *w, ptrdiff_t d)
{
    if (d >= DENSE_LONG)
        code->move(c, x, w, d);
    else
        dense_rest_move(c, x, w, 0, d);
}

#endif
