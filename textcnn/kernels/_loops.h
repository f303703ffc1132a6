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
   window, wherever the value has a gradient. Row t has columns[i] and values[i] from starts[t] to starts[t + 1] - 1. */
typedef struct {
    Index rows;
    int64_t *starts; /* (rows + 1,), zeros at first */
    int32_t *columns;
    float *values;
} Sparse;

typedef struct {
    const float *words, *filters; /* (U, D), (S, F, D) */
    Index distinct, slots, maps, dimension;
    Texts texts;
    Regions regions;
    const float *grad;    /* (B, R F) */
    const int32_t *where; /* (B, R F) */
    float *filters_grad, *words_grad; /* (S, F, D), (U, D) or NULL */
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

typedef struct {
    const float *x; /* (B, P, F) */
    const int64_t *counts, *ks; /* positions of each text, and how many of them to keep */
    Index texts, positions, maps, most;
    float *values;  /* (B, most, F) */
    int32_t *where; /* (B, most, F) or NULL */
    Index threads;
} KMax;

typedef struct {
    const float *grad;    /* (B, most, F) */
    const int32_t *where; /* (B, most, F) */
    Index texts, positions, maps, most;
    float *x_grad; /* (B, P, F) */
    Index threads;
} KMaxBack;

/* Wide convolution of rows of F' maps with filters of m slots, folded, and its gradients; what one does not use is
   NULL. */
typedef struct {
    const float *x;        /* (B, P, F', D) */
    const int64_t *counts; /* positions of each text; x is not read after them */
    const float *filters;  /* (F, m, F', D); for the gradient of x turned around, (F', m, F, D), the last slot first */
    const float *grad;     /* of the result, (B, P + m - 1, F, D / 2) */
    Index texts, positions, before, maps, size, dimension; /* B, P, F', F, m, D */
    float *out;            /* (B, P + m - 1, F, D / 2); or (B, P, F', D); or (F, m, F', D), added to */
    Index threads;
} RowConvolution;

typedef struct {
    const float *table; /* (U, m, F D / 2): the folded first layer */
    Texts texts;
    const int32_t *sizes, *maps; /* m and F of each layer */
    Index layers, dimension, k_top;
    const float *biases;  /* (F D / 2) of each layer, one after the other */
    const float *filters; /* (F, m, F', D) of each layer after the first, one after the other */
    const float *weights, *weights_bias; /* (K, features), (K,) */
    Index classes;
    float *logits; /* (B, K) */
    Index positions, widest, largest; /* bounds: of a text in any layer, of a position's numbers, and of m */
} RowLogits;

/* Numbers for `k_max` to work with. What is not kept is written too, after the last that was. */
typedef struct {
    float *sorted;               /* (P, F) */
    int32_t *spare, *step, *row; /* (F,) each */
    float *chosen;               /* (most + 1, F) */
    int32_t *place;              /* the same, or NULL as KMax's where */
} Pool;

/* Numbers for `row_logits` to work with: of all layers (positions + 1, widest), unless said otherwise. */
typedef struct {
    const float **window; /* (largest,) */
    const float *zeros;   /* (widest,) */
    float *x, *y;
    Pool pool;
} Layers;

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
#define sparse_gradient FOR_PROCESSOR(sparse_gradient)
#define multiply_row FOR_PROCESSOR(multiply_row)
#define sparse_product FOR_PROCESSOR(sparse_product)
#define sum_windows FOR_PROCESSOR(sum_windows)
#define sum_windows_back FOR_PROCESSOR(sum_windows_back)
#define sort_maps FOR_PROCESSOR(sort_maps)
#define k_max FOR_PROCESSOR(k_max)
#define k_max_back FOR_PROCESSOR(k_max_back)
#define multiply_rows FOR_PROCESSOR(multiply_rows)
#define add_products FOR_PROCESSOR(add_products)
#define row_convolution FOR_PROCESSOR(row_convolution)
#define row_convolution_back_x FOR_PROCESSOR(row_convolution_back_x)
#define row_convolution_back_filters FOR_PROCESSOR(row_convolution_back_filters)
#define squash_lanes FOR_PROCESSOR(squash_lanes)
#define squash FOR_PROCESSOR(squash)
#define row_logits FOR_PROCESSOR(row_logits)
#define unfold FOR_PROCESSOR(unfold)
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
    for (; f + LANES <= maps; f += LANES) store(sum + f, add_lanes(rows, size, f));
    for (; f < maps; f++) sum[f] = add_numbers(rows, size, f);
}

/* The same, kept where it is above the best so far or NaN, which then stays; where is NULL or gets `start`. */
INLINE void keep_window(float *__restrict__ best, int32_t *__restrict__ where, const float *const *rows, Index size,
                        Index maps, int32_t start) {
    Index f = 0;
    for (; f + LANES <= maps; f += LANES) {
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

/* The sparse gradient with filters' slots for rows and words for columns, or turned around. Two sweeps: without `next`
   count the numbers of each row, then put each number at next[row], in the order of the texts. */
STATIC void sparse_gradient(const MaxWindowsBack *a, const Sparse *out, int by_word, int64_t *next) {
    const Index regions = a->regions.count, maps = a->maps;
    for (Index b = 0; b < a->texts.count; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]), slot = 0;
        for (Index r = 0; r < regions; r++) {
            const Index size = a->regions.sizes[r];
            for (Index f = 0; f < maps; f++) {
                const Index at = (b * regions + r) * maps + f, start = a->where[at];
                const float value = a->grad[at];
                if (value == 0) continue;
                Index low = start < 0 ? -start : 0, high = start + size > length ? length - start : size;
                for (Index j = low; j < high; j++) {
                    int32_t word = text[start + j], filter = (int32_t)((slot + j) * maps + f);
                    Index row = by_word ? word : filter;
                    if (!next) {
                        out->starts[row + 1]++;
                        continue;
                    }
                    int64_t to = next[row]++;
                    out->columns[to] = by_word ? filter : word;
                    out->values[to] = value;
                }
            }
            slot += size;
        }
    }
}

/* out = values * rows for a row of a sparse matrix, `blocks` times LANES dimensions. */
INLINE void multiply_row(const int32_t *columns, const float *values, Index count, const float *rows, Index dimension,
                         int blocks, float *out) {
    Lanes sum[MOST_BLOCKS] = {{0}};
    for (Index i = 0; i < count; i++) {
        const float *row = rows + columns[i] * dimension;
        for (int k = 0; k < blocks; k++) sum[k] += load(row + k * LANES) * values[i];
    }
    for (int k = 0; k < blocks; k++) store(out + k * LANES, sum[k]);
}

/* A sparse matrix times a dense one, the rows from `begin` to `end`. Taken in blocks of dimensions, whose part of the
   dense matrix stays in the cache while sums stay in registers. */
STATIC void sparse_product(const SparseProduct *a, Index begin, Index end) {
    const int64_t *starts = a->sparse->starts;
    const int32_t *columns = a->sparse->columns;
    const float *values = a->sparse->values, *rows = a->dense;
    const Index dimension = a->dimension;
    float *out = a->out;
    Index d = 0;
    while (d + LANES <= dimension) {
        Index blocks = (dimension - d) / LANES;
        if (blocks > MOST_BLOCKS) blocks = MOST_BLOCKS;
        for (Index t = begin; t < end; t++) {
            const int32_t *c = columns + starts[t];
            const float *v = values + starts[t], *from = rows + d;
            Index count = (Index)(starts[t + 1] - starts[t]);
            float *to = out + t * dimension + d;
            switch (blocks) {
            case 8: multiply_row(c, v, count, from, dimension, 8, to); break;
            case 7: multiply_row(c, v, count, from, dimension, 7, to); break;
            case 6: multiply_row(c, v, count, from, dimension, 6, to); break;
            case 5: multiply_row(c, v, count, from, dimension, 5, to); break;
            case 4: multiply_row(c, v, count, from, dimension, 4, to); break;
            case 3: multiply_row(c, v, count, from, dimension, 3, to); break;
            case 2: multiply_row(c, v, count, from, dimension, 2, to); break;
            default: multiply_row(c, v, count, from, dimension, 1, to);
            }
        }
        d += blocks * LANES;
    }
    if (d == dimension) return;
    for (Index t = begin; t < end; t++)
        for (Index e = d; e < dimension; e++) {
            float sum = 0;
            for (int64_t i = starts[t]; i < starts[t + 1]; i++) sum += values[i] * rows[columns[i] * dimension + e];
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

/* ---- k-max pooling ---------------------------------------------------------------------------------------------- */

/* Sort each map of x (count, F) by itself, the largest first: a network of exchanges, which takes all maps at once
   (Batcher's merge exchange: Knuth, The Art of Computer Programming 5.2.2, algorithm M). */
INLINE void sort_maps(float *x, Index count, Index maps) {
    Index top = 1;
    while (2 * top < count) top *= 2;
    for (Index p = top; p > 0 && count > 1; p /= 2) {
        Index q = top, r = 0, distance = p;
        for (;;) {
            for (Index i = 0; i + distance < count; i++) {
                if ((i & p) != r) continue;
                float *__restrict__ low = x + i * maps, *__restrict__ high = x + (i + distance) * maps;
                Index f = 0;
                for (; f + LANES <= maps; f += LANES) {
                    Lanes a = load(low + f), b = load(high + f);
                    LaneBits above = a > b, largest = ((LaneBits)a & above) | ((LaneBits)b & ~above);
                    store(low + f, (Lanes)largest);
                    store(high + f, (Lanes)((LaneBits)a ^ (LaneBits)b ^ largest));
                }
                for (; f < maps; f++) {
                    float a = low[f], b = high[f];
                    low[f] = a > b ? a : b;
                    high[f] = a > b ? b : a;
                }
            }
            if (q == p) break;
            distance = q - p;
            q /= 2;
            r = p;
        }
    }
}

/* Of each text the ks[b] largest of its counts[b] positions, in order, for each map; ties go to the first. Zeros and -1
   come after them. */
STATIC void k_max(const KMax *a, Index begin, Index end, const Pool *pool) {
    const Index maps = a->maps, most = a->most;
    float *const sorted = pool->sorted, *__restrict__ const chosen = pool->chosen;
    int32_t *__restrict__ const spare = pool->spare, *__restrict__ const step = pool->step;
    int32_t *__restrict__ const row = pool->row, *__restrict__ const place = pool->place;
    for (Index b = begin; b < end; b++) {
        const float *from = a->x + b * a->positions * maps;
        Index count = (Index)a->counts[b], k = (Index)a->ks[b] < count ? (Index)a->ks[b] : count;
        float *to = a->values + b * most * maps;
        int32_t *at = a->where ? a->where + b * most * maps : NULL;
        if (k) {
            memcpy(sorted, from, count * maps * sizeof(float));
            sort_maps(sorted, count, maps);
            const float *__restrict__ least = sorted + (k - 1) * maps; /* that is kept of each map */
            int32_t full = (int32_t)(k * maps);
            for (Index f = 0; f < maps; f++) {
                row[f] = 0; /* index of the next value, F apart */
                spare[f] = (int32_t)k; /* how many that equal it are kept: those that larger ones leave room for */
            }
            for (Index p = 0; p < count; p++)
                for (Index f = 0; f < maps; f++) spare[f] -= from[p * maps + f] > least[f];
            for (Index p = 0; p < count; p++) {
                const float *__restrict__ value = from + p * maps;
                for (Index f = 0; f < maps; f++) {
                    int32_t equal = (value[f] == least[f]) & (spare[f] > 0);
                    int32_t kept = ((value[f] > least[f]) | equal) & (row[f] < full); /* NaN is in no order */
                    spare[f] -= equal;
                    step[f] = kept ? (int32_t)maps : 0;
                }
                for (Index f = 0; f < maps; f++) {
                    chosen[row[f] + f] = value[f];
                    if (at) place[row[f] + f] = (int32_t)p;
                    row[f] += step[f];
                }
            }
            memcpy(to, chosen, k * maps * sizeof(float));
            if (at) memcpy(at, place, k * maps * sizeof(int32_t));
        }
        memset(to + k * maps, 0, (most - k) * maps * sizeof(float));
        if (at) memset(at + k * maps, 0xff, (most - k) * maps * sizeof(int32_t));
    }
}

STATIC void k_max_back(const KMaxBack *a, Index begin, Index end) {
    const Index maps = a->maps, most = a->most;
    const int32_t *const where = a->where;
    const float *const grad = a->grad;
    for (Index b = begin; b < end; b++) {
        float *to = a->x_grad + b * a->positions * maps;
        memset(to, 0, a->positions * maps * sizeof(float));
        for (Index i = b * most; i < (b + 1) * most; i++)
            for (Index f = 0; f < maps; f++) {
                int32_t p = where[i * maps + f];
                if (p >= 0) to[p * maps + f] = grad[i * maps + f];
            }
    }
}

/* ---- wide convolution of each row by itself, folded ------------------------------------------------------------- */

/* The sum over `count` rows of a[d] * b[d], for `blocks` times LANES dimensions, added to `to`; with `sums` 2 also that
   over the rows of b `other` numbers on, added to `to_other`. */
INLINE void multiply_rows(const float *a, Index a_step, const float *b, Index b_step, Index count, Index blocks,
                          Index sums, Index other, float *to, float *to_other) {
    Lanes sum[BLOCKS_AT_ONCE], second[BLOCKS_AT_ONCE];
    for (Index k = 0; k < blocks; k++) {
        sum[k] = load(to + k * LANES);
        if (sums == 2) second[k] = load(to_other + k * LANES);
    }
    for (Index i = 0; i < count; i++, a += a_step, b += b_step)
        for (Index k = 0; k < blocks; k++) {
            Lanes row = load(a + k * LANES);
            sum[k] += row * load(b + k * LANES);
            if (sums == 2) second[k] += row * load(b + other + k * LANES);
        }
    for (Index k = 0; k < blocks; k++) {
        store(to + k * LANES, sum[k]);
        if (sums == 2) store(to_other + k * LANES, second[k]);
    }
}

/* The same for all D dimensions; to_other is NULL for one sum. */
INLINE void add_products(const float *a, Index a_step, const float *b, Index b_step, Index count, Index dimension,
                         Index other, float *to, float *to_other) {
    Index d = 0;
#define MULTIPLY(blocks, sums)                                                                                        \
    multiply_rows(a + d, a_step, b + d, b_step, count, blocks, sums, other, to + d, to_other + d)
    while (d + LANES <= dimension) {
        Index blocks = (dimension - d) / LANES;
        if (to_other) {
            if (blocks >= 3) MULTIPLY(3, 2);
            else if (blocks == 2) MULTIPLY(2, 2);
            else MULTIPLY(1, 2);
        } else {
            if (blocks >= 3) MULTIPLY(3, 1);
            else if (blocks == 2) MULTIPLY(2, 1);
            else MULTIPLY(1, 1);
        }
        d += (blocks < BLOCKS_AT_ONCE ? blocks : BLOCKS_AT_ONCE) * LANES;
    }
#undef MULTIPLY
    for (; d < dimension; d++)
        for (Index i = 0; i < count; i++) {
            to[d] += a[i * a_step + d] * b[i * b_step + d];
            if (to_other) to_other[d] += a[i * a_step + d] * b[i * b_step + other + d];
        }
}

/* Rows 2i and 2i + 1 are added. sum is scratch for 2 D numbers. */
STATIC void row_convolution(const RowConvolution *a, Index begin, Index end, float *__restrict__ sum) {
    const Index size = a->size, maps = a->maps, before = a->before, dimension = a->dimension;
    const Index windows = a->positions + size - 1, half = dimension / 2, step = before * dimension;
    const Index filter = size * step;
    const float *const filters = a->filters;
    for (Index b = begin; b < end; b++) {
        const float *const x = a->x + b * a->positions * step;
        Index count = (Index)a->counts[b], used = count ? count + size - 1 : 0;
        float *to = a->out + b * windows * maps * half;
        memset(to + used * maps * half, 0, (windows - used) * maps * half * sizeof(float));
        for (Index f = 0; f < maps; f += 2) { /* two maps at a time, whose filters stay in the cache */
            Index two = f + 1 < maps;
            for (Index w = 0; w < used; w++) {
                Index first = w - (size - 1); /* position of the window's first slot */
                Index low = first < 0 ? -first : 0, high = first + size > count ? count - first : size;
                memset(sum, 0, 2 * dimension * sizeof(float));
                add_products(x + (first + low) * step, dimension, filters + f * filter + low * step, dimension,
                             (high - low) * before, dimension, filter, sum, two ? sum + dimension : NULL);
                float *folded = to + (w * maps + f) * half;
                for (Index d = 0; d < half + two * half; d++) folded[d] = sum[2 * d] + sum[2 * d + 1];
            }
        }
    }
}

/* The gradients of one text's windows (W, F, D / 2) with their rows unfolded, (W, F, D). */
INLINE void unfold(const float *__restrict__ grad, Index numbers, float *__restrict__ wide) {
    for (Index i = 0; i < numbers; i++) wide[2 * i] = wide[2 * i + 1] = grad[i];
}

/* The gradient of x. wide is scratch for (P + m - 1) F D numbers. */
STATIC void row_convolution_back_x(const RowConvolution *a, Index begin, Index end, float *wide) {
    const Index size = a->size, maps = a->maps, before = a->before, dimension = a->dimension;
    const Index windows = a->positions + size - 1, step = before * dimension, wide_step = maps * dimension;
    for (Index b = begin; b < end; b++) {
        Index count = (Index)a->counts[b];
        float *to = a->out + b * a->positions * step;
        memset(to, 0, a->positions * step * sizeof(float));
        unfold(a->grad + b * windows * wide_step / 2, count ? (count + size - 1) * wide_step / 2 : 0, wide);
        for (Index g = 0; g < before; g += 2)
            for (Index p = 0; p < count; p++) { /* window p has it at its last slot, the next at the one before, ... */
                float *row = to + p * step + g * dimension;
                add_products(wide + p * wide_step, dimension, a->filters + g * size * wide_step, dimension, size * maps,
                             dimension, size * wide_step, row, g + 1 < before ? row + dimension : NULL);
            }
    }
}

/* The gradient of the filters, added, of the maps from `begin` to `end`. wide is scratch for (P + m - 1) D numbers. */
STATIC void row_convolution_back_filters(const RowConvolution *a, Index begin, Index end, float *wide) {
    const Index size = a->size, maps = a->maps, before = a->before, dimension = a->dimension;
    const Index windows = a->positions + size - 1, step = before * dimension, half = dimension / 2;
    for (Index b = 0; b < a->texts; b++) {
        Index count = (Index)a->counts[b];
        const float *value = a->x + b * a->positions * step;
        for (Index f = begin; f < end; f++) {
            for (Index w = 0; count && w < count + size - 1; w++)
                unfold(a->grad + ((b * windows + w) * maps + f) * half, half, wide + w * dimension);
            for (Index j = 0; j < size; j++) {
                const float *from = wide + (size - 1 - j) * dimension; /* of the window whose slot j is at position 0 */
                float *to = a->out + (f * size + j) * step;
                for (Index g = 0; g < before; g += 2, to += 2 * dimension)
                    add_products(from, dimension, value + g * dimension, step, count, dimension, dimension, to,
                                 g + 1 < before ? to + dimension : NULL);
            }
        }
    }
}

/* The DCNN, one text at a time. */
STATIC void row_logits(const RowLogits *a, Index begin, Index end, const Layers *work) {
    const int32_t *ids = a->texts.ids, *sizes = a->sizes, *maps = a->maps;
    const int64_t *offsets = a->texts.offsets;
    const Index layers = a->layers, width = maps[0] * (a->dimension / 2);
    const Index last = maps[layers - 1] * (a->dimension >> layers);
    float *const x = work->x, *const y = work->y;
    for (Index b = begin; b < end; b++) {
        int64_t text[2] = {0, offsets[b + 1] - offsets[b]}, kept = 0;
        Index length = (Index)text[1], rows_now = a->dimension / 2;
        if (b + 1 < end) fetch_rows(a->table, sizeof(float), ids + offsets[b + 1], offsets[b + 2] - offsets[b + 1], sizes[0] * width);
        const float *bias = a->biases, *filters = a->filters;
        int64_t count = length ? length + sizes[0] - 1 : 0;
        if (length) {
            const SumWindows first = {.table = {a->table, 0, sizes[0], width},
                                      .texts = {ids + offsets[b], text, 1, length},
                                      .size = sizes[0], .positions = (Index)count, .wide = 1, .out = x};
            sum_windows(&first, 0, 1, work->window, work->zeros);
        }
        for (Index layer = 1; length && layer <= layers; layer++) {
            Index now = maps[layer - 1] * rows_now;
            int64_t k = ((layers - layer) * length + layers - 1) / layers;
            if (k < a->k_top) k = a->k_top;
            kept = k < count ? k : count;
            const KMax pooling = {.x = x, .counts = &count, .ks = &kept, .texts = 1, .positions = (Index)count,
                                  .maps = now, .most = (Index)kept, .values = y};
            k_max(&pooling, 0, 1, &work->pool);
            for (Index i = 0; i < kept; i++)
                for (Index f = 0; f < now; f++) y[i * now + f] += bias[f];
            squash(y, (Index)kept * now);
            bias += now;
            if (layer == layers) break;
            const RowConvolution next = {.x = y, .counts = &kept, .filters = filters, .texts = 1,
                                         .positions = (Index)kept, .before = maps[layer - 1], .maps = maps[layer],
                                         .size = sizes[layer], .dimension = rows_now, .out = x};
            row_convolution(&next, 0, 1, work->pool.sorted);
            filters += (Index)sizes[layer] * maps[layer] * now;
            count = kept + sizes[layer] - 1;
            rows_now /= 2;
        }
        for (Index k = 0; k < a->classes; k++)
            a->logits[b * a->classes + k] =
                dot(y, a->weights + k * a->k_top * last, (Index)kept * last) + a->weights_bias[k];
    }
}

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
