/* The loops themselves. `_kernels.c` includes this file once for each kind of processor, which
   gives every function here that kind's suffix; LANES numbers fill one of its registers.

   A loop trusts its arguments: `_kernels.c` has checked them. It does a range of texts, maps or rows, from `begin` to
   `end`. Shapes: B texts, U distinct words, N words in total, R regions, S slots, F feature
   maps, D dimensions, P positions, K classes. */

#ifndef LOOPS_ONCE
#define LOOPS_ONCE

typedef struct {
    const int32_t *ids;     /* rows of a table; text b has ids[offsets[b]] to ids[offsets[b + 1] - 1] */
    const int64_t *offsets; /* (B + 1,) */
    Index count, longest;   /* B, and the words of the longest text */
} Texts;

typedef struct {
    const float *numbers; /* (U, S, F) */
    Index words, slots, maps;
} Table;

typedef struct {
    const int32_t *sizes;  /* words of a window, one number for each region */
    Index count, largest;
} Regions;

typedef struct {
    Table table;
    Texts texts;
    Regions regions;
    int wide;
    float *best;    /* (B, R F): the largest sum of a window; zeros for a text without words */
    int32_t *where; /* (B, R F): the word at which the first such window starts; or NULL */
    Index threads;
    int (*interrupted)(void); /* asked between blocks of a long text whether to stop; or NULL */
} MaxWindows;

typedef struct {
    MaxWindows windows; /* best and where are not used */
    const float *bias;  /* (R, F) */
    Index activation;   /* 0: identity, 1: ReLU, 2: tanh */
    const float *weights, *weights_bias; /* (K, R F), (K,) */
    Index classes;
    float *logits; /* (B, K) */
} MaxLogits;

/* The same over a table of whole numbers, of which a sum over a window times the map's scale is a number. */
typedef struct {
    MaxLogits of;        /* its table has no numbers */
    const void *codes;   /* (U, S, F), int8 or int16 */
    const float *scales; /* (R, F) */
    int bytes;           /* of a code */
} CodeLogits;

/* The gradient of a table (U, S F) is sparse, since a pooled value has one window: a number for each word of that
   window, wherever the value has a gradient. Row t has the numbers from starts[t] to starts[t + 1] - 1. */
typedef struct {
    int32_t column;
    float value;
} Number;

typedef struct {
    Index rows;
    int64_t *starts; /* (rows + 1,), zeros at first */
    Number *numbers;
} Sparse;

/* A pooled window with a gradient: the word at which it starts. */
typedef struct {
    int32_t map, start;
    float grad;
} Pooled;

typedef struct {
    const float *words, *filters; /* (U, D), (S, F, D) */
    Index distinct, slots, maps, dimension;
    Texts texts;
    Regions regions;
    Index k;              /* windows of each map: 1, or those of k-max pooling */
    const float *grad;    /* (B, R k F) */
    const int32_t *where; /* (B, R k F) */
    float *filters_grad, *words_grad; /* (S, F, D), (U, D) or NULL */
    Pooled *pooled; /* what has a gradient, of texts and regions one after the other */
    int64_t *ends;  /* of those of each text and region in turn, (B R,) */
    Sparse *sparse; /* the gradient by filters' slots, and by words */
    Index threads;
} MaxWindowsBack;

typedef struct {
    const Sparse *sparse;
    const float *dense; /* (n, D) */
    Index dimension;
    float *out; /* (rows, D) */
} SparseProduct;

typedef struct {
    Table table;
    Texts texts;
    Index size, slot, positions; /* words of a window, the slot of its first word, P */
    int wide;
    float *out; /* (B, P, F), zeros after a text's last window */
    Index threads;
} SumWindows;

typedef struct {
    const float *grad; /* (B, P, F) */
    Texts texts;
    Index size, slot, positions, slots, maps;
    int wide;
    float *table_grad; /* (U, S, F), added to */
    Index threads;
} SumWindowsBack;

/* Rows of a table that an optimiser brings up to date. */
typedef struct {
    const int64_t *words; /* the rows, (U,), distinct */
    float *table, *first, *second; /* the table and the optimiser's two numbers of each of its own, (V, D) */
    int64_t *last; /* the step that each row was last brought up to, (V,) */
    const float *grad; /* (U, D) */
    const double *owed; /* Adam: what the steps after t move a row that was last used in step t */
    Index count, dimension, steps, threads;
    double rate, epsilon, beta1, beta2; /* Adadelta: rho for beta1 */
} Rows;

#define NO_WINDOW INT32_MIN /* instead of a word at which a window starts */

#define Lanes FOR_PROCESSOR(Lanes)
#define LaneBits FOR_PROCESSOR(LaneBits)
#define Windows FOR_PROCESSOR(Windows)
#define load FOR_PROCESSOR(load)
#define store FOR_PROCESSOR(store)
#define windows_of FOR_PROCESSOR(windows_of)
#define add_lanes FOR_PROCESSOR(add_lanes)
#define add_numbers FOR_PROCESSOR(add_numbers)
#define keep_window FOR_PROCESSOR(keep_window)
#define add_window FOR_PROCESSOR(add_window)
#define find_rows FOR_PROCESSOR(find_rows)
#define max_windows FOR_PROCESSOR(max_windows)
#define dot FOR_PROCESSOR(dot)
#define fetch_rows FOR_PROCESSOR(fetch_rows)
#define text_logits FOR_PROCESSOR(text_logits)
#define max_logits FOR_PROCESSOR(max_logits)
#define code_logits_8 FOR_PROCESSOR(code_logits_8)
#define code_logits_16 FOR_PROCESSOR(code_logits_16)
#define find_pooled FOR_PROCESSOR(find_pooled)
#define sweep_pooled FOR_PROCESSOR(sweep_pooled)
#define sparse_gradient FOR_PROCESSOR(sparse_gradient)
#define multiply_row FOR_PROCESSOR(multiply_row)
#define sparse_product FOR_PROCESSOR(sparse_product)
#define sum_windows FOR_PROCESSOR(sum_windows)
#define sum_windows_back FOR_PROCESSOR(sum_windows_back)
#define squash_lanes FOR_PROCESSOR(squash_lanes)
#define squash FOR_PROCESSOR(squash)
#define settle_adam FOR_PROCESSOR(settle_adam)
#define step_adam FOR_PROCESSOR(step_adam)
#define step_adadelta FOR_PROCESSOR(step_adadelta)
#endif /* LOOPS_ONCE */

#define STATIC static TARGET
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

typedef int32_t LaneBits __attribute__((vector_size(LANES * sizeof(int32_t))));

INLINE Lanes load(const float *from) {
    Lanes lanes;
    memcpy(&lanes, from, sizeof(lanes));
    return lanes;
}

INLINE void store(float *to, Lanes lanes) { memcpy(to, &lanes, sizeof(lanes)); }

/* ---- windows ---------------------------------------------------------------------------------------------------- */

typedef struct {
    Index first, count; /* where the first window starts (negative: in the padding), and how many there are */
} Windows;

INLINE Windows windows_of(Index length, Index size, int wide) {
    Windows windows = {wide ? 1 - size : 0, wide ? length + size - 1 : length - size + 1};
    if (windows.count < 1) windows.count = 1;
    if (!length) windows.count = 0;
    return windows;
}

/* Compiled once for each common number of words in a window, so that the sum over them is unrolled. */
#define BY_SIZE(size, call)                                                                                           \
    switch (size) {                                                                                                   \
    case 1: call(1); break;                                                                                           \
    case 2: call(2); break;                                                                                           \
    case 3: call(3); break;                                                                                           \
    case 4: call(4); break;                                                                                           \
    case 5: call(5); break;                                                                                           \
    case 6: call(6); break;                                                                                           \
    case 7: call(7); break;                                                                                           \
    case 8: call(8); break;                                                                                           \
    default: call(size);                                                                                              \
    }

INLINE Lanes add_lanes(const float *const *rows, Index size, Index f) {
    Lanes sum = load(rows[0] + f);
    for (Index j = 1; j < size; j++) sum += load(rows[j] + f);
    return sum;
}

INLINE float add_numbers(const float *const *rows, Index size, Index f) {
    float sum = rows[0][f];
    for (Index j = 1; j < size; j++) sum += rows[j][f];
    return sum;
}

/* The sum of a window's rows, first to last. */
INLINE void add_window(float *__restrict__ sum, const float *const *rows, Index size, Index maps) {
    Index f = 0;
    for (; f + LANES <= maps || (f < maps && maps >= LANES); f += LANES) {
        if (f + LANES > maps) f = maps - LANES; /* some of the last ones again, rather than one by one */
        store(sum + f, add_lanes(rows, size, f));
    }
    for (; f < maps; f++) sum[f] = add_numbers(rows, size, f);
}

/* The same, kept where it is above the best so far or NaN, which then stays; where is NULL or gets `start`. */
INLINE void keep_window(float *__restrict__ best, int32_t *__restrict__ where, const float *const *rows, Index size,
                        Index maps, int32_t start) {
    Index f = 0;
    for (; f + LANES <= maps || (f < maps && maps >= LANES); f += LANES) {
        if (f + LANES > maps) f = maps - LANES; /* some of the last ones again, rather than one by one */
        Lanes sum = add_lanes(rows, size, f), top = load(best + f);
        LaneBits above = ~(sum <= top) & (top == top);
        store(best + f, (Lanes)(((LaneBits)sum & above) | ((LaneBits)top & ~above)));
        if (!where) continue;
        LaneBits at;
        memcpy(&at, where + f, sizeof(at));
        at = (start & above) | (at & ~above);
        memcpy(where + f, &at, sizeof(at));
    }
    for (; f < maps; f++) {
        float sum = add_numbers(rows, size, f);
        if (sum <= best[f] || best[f] != best[f]) continue;
        if (where) where[f] = start;
        best[f] = sum;
    }
}

/* The rows that the window at `start` adds up: slot `slot + j` of its word j, zeros where it leaves the text. */
INLINE void find_rows(const float **rows, const Table *table, const int32_t *ids, Index length, Index start,
                      Index size, Index slot, const float *zeros) {
    const Index maps = table->maps, stride = table->slots * maps;
    for (Index j = 0; j < size; j++) {
        Index i = start + j;
        int inside = i >= 0 && i < length;
        rows[j] = inside ? table->numbers + (Index)ids[i] * stride + (slot + j) * maps : zeros;
    }
}

/* Scratch: rows (S,) and zeros (F,). */
STATIC void max_windows(const MaxWindows *a, Index begin, Index end, const float **rows, const float *zeros) {
    const Table table = a->table;
    const Index regions = a->regions.count, maps = table.maps;
    for (Index b = begin; b < end; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]), slot = 0;
        for (Index r = 0; r < regions; r++) {
            const Index size = a->regions.sizes[r];
            float *top = a->best + (b * regions + r) * maps;
            int32_t *at = a->where ? a->where + (b * regions + r) * maps : NULL;
            Windows windows = windows_of(length, size, a->wide);
            for (Index f = 0; f < maps; f++) top[f] = windows.count ? -INFINITY : 0;
            for (Index f = 0; at && f < maps; f++) at[f] = 0;
            for (Index w = 0; w < windows.count; w++) {
                int32_t start = (int32_t)(windows.first + w);
                if (w && w % BLOCK_OF_WINDOWS == 0 && a->interrupted && a->interrupted()) return;
                find_rows(rows, &table, text, length, start, size, slot, zeros);
#define KEEP(size) keep_window(top, at, rows, size, maps, start)
                BY_SIZE(size, KEEP)
#undef KEEP
            }
            slot += size;
        }
    }
}

/* tanh by a quotient of polynomials, to 4e-7: all numbers at once, which tanhf does not do. Its coefficients are the
   minimax ones that Eigen uses; beyond 7.9 the result is 1 to the last bit. */
INLINE Lanes squash_lanes(Lanes v) {
    Lanes limit = v - v + 7.90531110763549805f;
    LaneBits above = v > limit, below = v < -limit;
    v = (Lanes)(((LaneBits)v & ~above & ~below) | ((LaneBits)limit & above) | ((LaneBits)-limit & below));
    Lanes s = v * v;
    Lanes p = s * -2.76076847742355e-16f + 2.00018790482477e-13f;
    p = p * s - 8.60467152213735e-11f;
    p = p * s + 5.12229709037114e-08f;
    p = p * s + 1.48572235717979e-05f;
    p = p * s + 6.37261928875436e-04f;
    p = p * s + 4.89352455891786e-03f;
    Lanes q = s * 1.19825839466702e-06f + 1.18534705686654e-04f;
    q = q * s + 2.26843463243900e-03f;
    q = q * s + 4.89352518554385e-03f;
    return v * p / q;
}

INLINE void squash(float *x, Index count) {
    for (Index i = 0; i < count; i += LANES) {
        float part[LANES] = {0};
        Index numbers = count - i < LANES ? count - i : LANES;
        if (numbers == LANES) store(x + i, squash_lanes(load(x + i)));
        else {
            memcpy(part, x + i, numbers * sizeof(float));
            store(part, squash_lanes(load(part)));
            memcpy(x + i, part, numbers * sizeof(float));
        }
    }
}

INLINE float dot(const float *a, const float *b, Index count) {
    Lanes lanes = {0};
    Index i = 0;
    for (; i + LANES <= count; i += LANES) lanes += load(a + i) * load(b + i);
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += lanes[lane];
    for (; i < count; i++) sum += a[i] * b[i];
    return sum;
}

/* Ask for a text's rows before they are needed: a large table is not in the cache. Long texts are left to it. */
INLINE void fetch_rows(const void *table, size_t bytes, const int32_t *ids, int64_t count, Index width) {
    const Index row = width * (Index)bytes;
    for (int64_t i = 0; i < count && i < MOST_FETCHED; i++)
        for (Index at = 0; at < row; at += CACHE_LINE)
            __builtin_prefetch((const char *)table + (Index)ids[i] * row + at, 0, 2);
}

/* Activation of a text's features, which already have their bias, and the product with the weights. A text without
   words has features of zero. */
INLINE void text_logits(const MaxLogits *a, Index b, float *__restrict__ features, Index length) {
    const Index count = a->windows.regions.count * a->windows.table.maps;
    if (length && a->activation == 2) squash(features, count);
    for (Index i = 0; a->activation == 1 && i < count; i++) features[i] = features[i] < 0 ? 0 : features[i];
    for (Index k = 0; k < a->classes; k++)
        a->logits[b * a->classes + k] = dot(features, a->weights + k * count, count) + a->weights_bias[k];
}

/* Kim's network: `max_windows` one text at a time, bias and `text_logits`. Scratch as above, and features (R F,). */
STATIC void max_logits(const MaxLogits *a, Index begin, Index end, const float **rows, const float *zeros,
                       float *__restrict__ features) {
    const int32_t *ids = a->windows.texts.ids;
    const int64_t *offsets = a->windows.texts.offsets;
    const Index width = a->windows.table.slots * a->windows.table.maps;
    const Index count = a->windows.regions.count * a->windows.table.maps;
    const float *numbers = a->windows.table.numbers;
    int64_t text[2] = {0};
    MaxWindows one = a->windows;
    one.texts.offsets = text;
    one.best = features;
    one.where = NULL;
    for (Index b = begin; b < end; b++) {
        if (b + 1 < end)
            fetch_rows(numbers, sizeof(float), ids + offsets[b + 1], offsets[b + 2] - offsets[b + 1], width);
        one.texts.ids = ids + offsets[b];
        text[1] = offsets[b + 1] - offsets[b];
        max_windows(&one, 0, 1, rows, zeros);
        for (Index i = 0; text[1] && i < count; i++) features[i] += a->bias[i];
        text_logits(a, b, features, (Index)text[1]);
    }
}

#define CODE int8_t
#define SUM int16_t
#define LEAST_SUM INT16_MIN
#define SUMS (2 * LANES)
#define FOR_CODES(name) PASTE_WITH_BITS(name, 8, PROCESSOR)
#include "_codes.h"
#undef CODE
#undef SUM
#undef LEAST_SUM
#undef SUMS
#undef FOR_CODES
#define CODE int16_t
#define SUM int32_t
#define LEAST_SUM INT32_MIN
#define SUMS LANES
#define FOR_CODES(name) PASTE_WITH_BITS(name, 16, PROCESSOR)
#include "_codes.h"
#undef CODE
#undef SUM
#undef LEAST_SUM
#undef SUMS
#undef FOR_CODES

/* List the pooled windows that have a gradient. */
STATIC void find_pooled(const MaxWindowsBack *a) {
    const Index maps = a->maps;
    const float *grad = a->grad;
    const int32_t *where = a->where;
    Pooled *to = a->pooled;
    for (Index i = 0; i < a->texts.count * a->regions.count; i++) {
        for (Index j = 0; j < a->k; j++, grad += maps, where += maps)
            for (Index f = 0; f < maps; f++) { /* the next one overwrites what is left out */
                *to = (Pooled){(int32_t)f, where[f], grad[f]};
                to += (grad[f] != 0) & (where[f] != NO_WINDOW);
            }
        a->ends[i] = to - a->pooled;
    }
}

/* The sparse gradient with filters' slots for rows and words for columns, or turned around. Two sweeps: without `next`
   count the numbers of each row, then put each number at next[row], in the order of the texts. */
INLINE void sweep_pooled(const MaxWindowsBack *a, const Sparse *out, int by_word, int64_t *next) {
    const Index regions = a->regions.count, maps = a->maps;
    const Pooled *from = a->pooled;
    for (Index b = 0; b < a->texts.count; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        for (Index r = 0, slot = 0; r < regions; slot += a->regions.sizes[r++]) {
            const Index size = a->regions.sizes[r];
            for (const Pooled *end = a->pooled + a->ends[b * regions + r]; from < end; from++) {
                const Index start = from->start;
                const Index low = start < 0 ? -start : 0, high = start + size > length ? length - start : size;
                for (Index j = low; j < high; j++) {
                    const int32_t word = text[start + j], filter = (int32_t)((slot + j) * maps + from->map);
                    const Index row = by_word ? word : filter;
                    if (next) out->numbers[next[row]++] = (Number){by_word ? filter : word, from->grad};
                    else out->starts[row + 1]++;
                }
            }
        }
    }
}

STATIC void sparse_gradient(const MaxWindowsBack *a, const Sparse *out, int by_word, int64_t *next) {
    if (by_word && next) sweep_pooled(a, out, 1, next);
    else if (by_word) sweep_pooled(a, out, 1, NULL);
    else if (next) sweep_pooled(a, out, 0, next);
    else sweep_pooled(a, out, 0, NULL);
}

/* out = numbers * rows for a row of a sparse matrix, `blocks` times LANES dimensions. */
INLINE void multiply_row(const Number *numbers, Index count, const float *rows, Index dimension, int blocks,
                         float *out) {
    Lanes sum[MOST_BLOCKS] = {{0}};
    for (Index i = 0; i < count; i++) {
        const float *row = rows + numbers[i].column * dimension;
        for (int k = 0; k < blocks; k++) sum[k] += load(row + k * LANES) * numbers[i].value;
    }
    for (int k = 0; k < blocks; k++) store(out + k * LANES, sum[k]);
}

/* A sparse matrix times a dense one, the rows from `begin` to `end`. Taken in blocks of dimensions, whose part of the
   dense matrix stays in the cache while sums stay in registers. */
STATIC void sparse_product(const SparseProduct *a, Index begin, Index end) {
    const int64_t *starts = a->sparse->starts;
    const float *rows = a->dense;
    const Index dimension = a->dimension;
    float *out = a->out;
    Index d = 0;
    while (d < dimension && dimension >= LANES) {
        Index blocks = (dimension - d + LANES - 1) / LANES;
        if (blocks > MOST_BLOCKS) blocks = MOST_BLOCKS;
        if (d + blocks * LANES > dimension) d = dimension - blocks * LANES; /* some again, rather than one by one */
        if (d < 0) d = 0, blocks--;
        for (Index t = begin; t < end; t++) {
            const Number *numbers = a->sparse->numbers + starts[t];
            const float *from = rows + d;
            Index count = (Index)(starts[t + 1] - starts[t]);
            float *to = out + t * dimension + d;
            switch (blocks) {
            case 8: multiply_row(numbers, count, from, dimension, 8, to); break;
            case 7: multiply_row(numbers, count, from, dimension, 7, to); break;
            case 6: multiply_row(numbers, count, from, dimension, 6, to); break;
            case 5: multiply_row(numbers, count, from, dimension, 5, to); break;
            case 4: multiply_row(numbers, count, from, dimension, 4, to); break;
            case 3: multiply_row(numbers, count, from, dimension, 3, to); break;
            case 2: multiply_row(numbers, count, from, dimension, 2, to); break;
            default: multiply_row(numbers, count, from, dimension, 1, to);
            }
        }
        d += blocks * LANES;
    }
    if (d == dimension) return;
    for (Index t = begin; t < end; t++)
        for (Index e = d; e < dimension; e++) {
            float sum = 0;
            for (const Number *i = a->sparse->numbers + starts[t]; i < a->sparse->numbers + starts[t + 1]; i++)
                sum += i->value * rows[i->column * dimension + e];
            out[t * dimension + e] = sum;
        }
}

/* Scratch: rows (size,) and zeros (F,). */
STATIC void sum_windows(const SumWindows *a, Index begin, Index end, const float **rows, const float *zeros) {
    const Table table = a->table;
    const Index size = a->size, maps = table.maps;
    for (Index b = begin; b < end; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        Windows windows = windows_of(length, size, a->wide);
        float *to = a->out + b * a->positions * maps;
        for (Index w = 0; w < windows.count; w++, to += maps) {
            find_rows(rows, &table, text, length, windows.first + w, size, a->slot, zeros);
#define ADD(size) add_window(to, rows, size, maps)
            BY_SIZE(size, ADD)
#undef ADD
        }
        memset(to, 0, (a->positions - windows.count) * maps * sizeof(float));
    }
}

/* For the maps from `begin` to `end`. */
STATIC void sum_windows_back(const SumWindowsBack *a, Index begin, Index end) {
    const Index size = a->size, maps = a->maps;
    for (Index b = 0; b < a->texts.count; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        Windows windows = windows_of(length, size, a->wide);
        for (Index i = 0; i < length; i++)
            for (Index j = 0; j < size; j++) {
                Index w = i - j - windows.first;
                if (w < 0 || w >= windows.count) continue;
                const float *__restrict__ from = a->grad + (b * a->positions + w) * maps;
                float *__restrict__ to = a->table_grad + ((Index)text[i] * a->slots + a->slot + j) * maps;
                for (Index f = begin; f < end; f++) to[f] += from[f];
            }
    }
}

#include "_pooling.h"
#include "_rows.h"

/* ---- optimisers of single rows ---------------------------------------------------------------------------------- */

/* Adam: bring rows from step last[row] up to step `steps`. */
STATIC void settle_adam(const Rows *a, Index begin, Index end) {
    const Index dimension = a->dimension;
    for (Index u = begin; u < end; u++) {
        Index row = (Index)a->words[u] * dimension;
        int64_t before = a->last[a->words[u]], missed = a->steps - before;
        a->last[a->words[u]] = a->steps;
        if (!missed) continue;
        float *__restrict__ p = a->table + row, *__restrict__ m = a->first + row, *__restrict__ v = a->second + row;
        float move = (float)a->owed[before], by1 = (float)pow(a->beta1, missed), by2 = (float)pow(a->beta2, missed);
        float small = (float)(a->epsilon * sqrt((1 - pow(a->beta2, before + 1)) / a->beta2));
        for (Index d = 0; d < dimension; d++) {
            p[d] -= move * m[d] / (sqrtf(v[d]) + small);
            m[d] *= by1;
            v[d] *= by2;
        }
    }
}

/* Adam: step number `steps`. */
STATIC void step_adam(const Rows *a, Index begin, Index end) {
    const Index dimension = a->dimension;
    const float rate = (float)a->rate, epsilon = (float)a->epsilon, beta1 = (float)a->beta1, beta2 = (float)a->beta2;
    for (Index u = begin; u < end; u++) {
        Index row = (Index)a->words[u] * dimension;
        float *__restrict__ p = a->table + row, *__restrict__ m = a->first + row, *__restrict__ v = a->second + row;
        const float *__restrict__ g = a->grad + u * dimension;
        a->last[a->words[u]] = a->steps;
        for (Index d = 0; d < dimension; d++) {
            m[d] += (1 - beta1) * (g[d] - m[d]);
            v[d] = beta2 * v[d] + (1 - beta2) * g[d] * g[d];
            p[d] -= rate * m[d] / (sqrtf(v[d]) + epsilon);
        }
    }
}

/* Adadelta: step number `steps`; the averages first decay by rho for each step since a row's last. */
STATIC void step_adadelta(const Rows *a, Index begin, Index end) {
    const Index dimension = a->dimension;
    const double rho = a->beta1;
    const float rate = (float)a->rate, epsilon = (float)a->epsilon, keep = (float)rho, add = (float)(1 - rho);
    for (Index u = begin; u < end; u++) {
        Index row = (Index)a->words[u] * dimension;
        float *__restrict__ p = a->table + row, *__restrict__ s = a->first + row, *__restrict__ moved = a->second + row;
        const float *__restrict__ g = a->grad + u * dimension;
        float by = (float)pow(rho, a->steps - 1 - a->last[a->words[u]]);
        a->last[a->words[u]] = a->steps;
        for (Index d = 0; d < dimension; d++) {
            float before = moved[d] * by;
            s[d] = keep * by * s[d] + add * g[d] * g[d];
            float delta = sqrtf(before + epsilon) / sqrtf(s[d] + epsilon) * g[d];
            moved[d] = keep * before + add * delta * delta;
            p[d] -= rate * delta;
        }
    }
}

#undef BY_SIZE
#undef STATIC
#undef INLINE
