/* The loops themselves. `_kernels.c` includes this file once for each kind of processor, which
   gives every function here that kind's suffix; LANES numbers fill one of its registers.

   Shapes: B texts, U distinct words, N tokens, S slots, F feature maps, D dimensions, P positions. Text b has the
   tokens ids[offsets[b]] to ids[offsets[b + 1] - 1], each of them a row of a table. */

#ifndef LOOPS_RENAMED
#define LOOPS_RENAMED
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
#define max_logits FOR_PROCESSOR(max_logits)
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
#endif

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

/* The rows that the window at `start` adds up: slot `slot + j` of its word j, zeros where it reaches over the text. */
INLINE void find_rows(const float **rows, const float *table, const int32_t *ids, Index length, Index start,
                      Index size, Index slot, Index stride, Index maps, const float *zeros) {
    for (Index j = 0; j < size; j++) {
        Index place = start + j;
        int inside = place >= 0 && place < length;
        rows[j] = inside ? table + (Index)ids[place] * stride + (slot + j) * maps : zeros;
    }
}

/* table (U, S, F); for the regions of sizes[r] words the largest sum of a window, best (B, R F), and the start of the
   first such window, where (B, R F) or NULL. A text without words has zeros. */
STATIC void max_windows(const float *table, const int32_t *ids, const int64_t *offsets, const int32_t *sizes,
                        Index regions, Index slots, Index maps, int wide, float *best, int32_t *where, Index begin,
                        Index end, const float **rows, const float *zeros) {
    for (Index b = begin; b < end; b++) {
        const int32_t *text = ids + offsets[b];
        Index length = (Index)(offsets[b + 1] - offsets[b]), slot = 0;
        for (Index r = 0; r < regions; slot += sizes[r++]) {
            float *top = best + (b * regions + r) * maps;
            int32_t *at = where ? where + (b * regions + r) * maps : NULL;
            Windows windows = windows_of(length, sizes[r], wide);
            for (Index f = 0; f < maps; f++) top[f] = windows.count ? -INFINITY : 0;
            for (Index f = 0; at && f < maps; f++) at[f] = 0;
            for (Index w = 0; w < windows.count; w++) {
                int32_t start = (int32_t)(windows.first + w);
                find_rows(rows, table, text, length, start, sizes[r], slot, slots * maps, maps, zeros);
#define KEEP(size) keep_window(top, at, rows, size, maps, start)
                BY_SIZE(sizes[r], KEEP)
#undef KEEP
            }
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
INLINE void fetch_rows(const float *table, const int32_t *ids, int64_t count, Index width) {
    for (int64_t i = 0; i < count && i < MOST_FETCHED; i++)
        for (Index f = 0; f < width; f += CACHE_LINE) __builtin_prefetch(table + ids[i] * width + f, 0, 2);
}

/* Logits (B, K) of Kim's network: the above, bias (R F), activation (0: identity, 1: ReLU, 2: tanh) and the product
   with weights (K, R F) and their bias (K). A text without words has features of zero. */
STATIC void max_logits(const float *table, const int32_t *ids, const int64_t *offsets, const int32_t *sizes,
                       Index regions, Index slots, Index maps, int wide, const float *bias, int activation,
                       const float *weights, const float *weights_bias, Index classes, float *logits, Index begin,
                       Index end, const float **rows, const float *zeros, float *__restrict__ features) {
    Index count = regions * maps;
    for (Index b = begin; b < end; b++) {
        int64_t text[2] = {0, offsets[b + 1] - offsets[b]};
        if (b + 1 < end) fetch_rows(table, ids + offsets[b + 1], offsets[b + 2] - offsets[b + 1], slots * maps);
        max_windows(table, ids + offsets[b], text, sizes, regions, slots, maps, wide, features, NULL, 0, 1, rows,
                    zeros);
        if (text[1]) {
            for (Index i = 0; i < count; i++) features[i] += bias[i];
            if (activation == 2) squash(features, count);
            for (Index i = 0; activation == 1 && i < count; i++) features[i] = features[i] < 0 ? 0 : features[i];
        }
        for (Index k = 0; k < classes; k++)
            logits[b * classes + k] = dot(features, weights + k * count, count) + weights_bias[k];
    }
}

/* The gradient of a table (U, S F) is sparse, since a pooled value has one window: a number for each word of that
   window, wherever the value has a gradient. By rows: of words (the rows) and filters' slots (the columns), or turned
   around; row t has columns[i] and values[i] from starts[t] to starts[t + 1] - 1. starts holds zeros at first; next is
   scratch for as many. Both orders add up the same numbers in the order of the texts. */
STATIC void sparse_gradient(const float *grad, const int32_t *where, const int32_t *ids, const int64_t *offsets,
                            const int32_t *sizes, Index regions, Index maps, Index texts, Index rows, int by_word,
                            int64_t *starts, int32_t *columns, float *values, int64_t *next) {
    for (int counting = 1; counting >= 0; counting--) {
        for (Index b = 0; b < texts; b++) {
            const int32_t *text = ids + offsets[b];
            Index length = (Index)(offsets[b + 1] - offsets[b]), slot = 0;
            for (Index r = 0; r < regions; slot += sizes[r++])
                for (Index f = 0; f < maps; f++) {
                    Index at = (b * regions + r) * maps + f;
                    if (grad[at] == 0) continue;
                    Index low = where[at] < 0 ? -where[at] : 0;
                    Index high = where[at] + sizes[r] > length ? length - where[at] : sizes[r];
                    for (Index j = low; j < high; j++) {
                        int32_t word = text[where[at] + j], filter = (int32_t)((slot + j) * maps + f);
                        Index row = by_word ? word : filter;
                        if (counting) {
                            starts[row + 1]++;
                            continue;
                        }
                        Index to = (Index)next[row]++;
                        columns[to] = by_word ? filter : word;
                        values[to] = grad[at];
                    }
                }
        }
        if (!counting) break;
        for (Index t = 0; t < rows; t++) starts[t + 1] += starts[t];
        memcpy(next, starts, rows * sizeof(int64_t));
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

/* A sparse matrix by rows times a dense one, (n, D): the rows from `begin` to `end` of out. Taken in blocks of
   dimensions, whose part of the dense matrix stays in the cache while sums stay in registers. */
STATIC void sparse_product(const int64_t *starts, const int32_t *columns, const float *values, const float *rows,
                           Index dimension, float *out, Index begin, Index end) {
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

/* table (U, h, F) to the sums of all windows, out (B, P, F); zeros behind a text's last window. */
STATIC void sum_windows(const float *table, const int32_t *ids, const int64_t *offsets, Index size, Index slot,
                        Index slots, Index maps, int wide, Index positions, float *out, Index begin, Index end,
                        const float **rows, const float *zeros) {
    for (Index b = begin; b < end; b++) {
        Index length = (Index)(offsets[b + 1] - offsets[b]);
        Windows windows = windows_of(length, size, wide);
        float *to = out + b * positions * maps;
        for (Index w = 0; w < windows.count; w++, to += maps) {
            find_rows(rows, table, ids + offsets[b], length, windows.first + w, size, slot, slots * maps, maps, zeros);
#define ADD(size) add_window(to, rows, size, maps)
            BY_SIZE(size, ADD)
#undef ADD
        }
        memset(to, 0, (positions - windows.count) * maps * sizeof(float));
    }
}

/* The gradient of the above: grad (B, P, F) added to table_grad (U, S, F), for the maps from `begin` to `end`. */
STATIC void sum_windows_back(const float *grad, const int32_t *ids, const int64_t *offsets, Index size, Index slot,
                             Index slots, Index maps, int wide, Index positions, Index texts, float *table_grad,
                             Index begin, Index end) {
    for (Index b = 0; b < texts; b++) {
        const int32_t *text = ids + offsets[b];
        Index length = (Index)(offsets[b + 1] - offsets[b]);
        Windows windows = windows_of(length, size, wide);
        for (Index i = 0; i < length; i++)
            for (Index j = 0; j < size; j++) {
                Index w = i - j - windows.first;
                if (w < 0 || w >= windows.count) continue;
                const float *__restrict__ from = grad + (b * positions + w) * maps;
                float *__restrict__ to = table_grad + ((Index)text[i] * slots + slot + j) * maps;
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

/* x (B, P, F), of which text b has counts[b] positions, to its ks[b] largest a map in order, of equals the first:
   values (B, K, F), and their positions, where (B, K, F) or NULL; zeros and -1 behind. Scratch: sorted (P, F), spare, step
   and row (F,), and chosen and place (K + 1, F), since what is not kept is written too, behind the last that was kept. */
STATIC void k_max(const float *x, const int64_t *counts, const int64_t *ks, Index positions, Index maps, Index most,
                  float *values, int32_t *where, Index begin, Index end, float *sorted, int32_t *__restrict__ spare,
                  int32_t *__restrict__ step, int32_t *__restrict__ row, float *__restrict__ chosen, int32_t *__restrict__ place) {
    for (Index b = begin; b < end; b++) {
        const float *from = x + b * positions * maps;
        Index count = (Index)counts[b], k = (Index)ks[b] < count ? (Index)ks[b] : count;
        float *to = values + b * most * maps;
        int32_t *at = where ? where + b * most * maps : NULL;
        if (k) {
            memcpy(sorted, from, count * maps * sizeof(float));
            sort_maps(sorted, count, maps);
            const float *__restrict__ least = sorted + (k - 1) * maps; /* that is kept of each map */
            int32_t full = (int32_t)(k * maps);
            for (Index f = 0; f < maps; f++) {
                row[f] = 0; /* where the next value goes, in steps of F */
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
                    if (where) place[row[f] + f] = (int32_t)p;
                    row[f] += step[f];
                }
            }
            memcpy(to, chosen, k * maps * sizeof(float));
            if (where) memcpy(at, place, k * maps * sizeof(int32_t));
        }
        memset(to + k * maps, 0, (most - k) * maps * sizeof(float));
        if (where) memset(at + k * maps, 0xff, (most - k) * maps * sizeof(int32_t));
    }
}

STATIC void k_max_back(const float *grad, const int32_t *where, Index positions, Index maps, Index most, float *x_grad,
                       Index begin, Index end) {
    for (Index b = begin; b < end; b++) {
        float *to = x_grad + b * positions * maps;
        memset(to, 0, positions * maps * sizeof(float));
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

/* x (B, P, F', D), of which text b has counts[b] positions, and filters (F, m, F', D) to out (B, P + m - 1, F, D / 2):
   rows 2i and 2i + 1 are added. sum is scratch for 2 D numbers. */
STATIC void row_convolution(const float *x, const int64_t *counts, const float *filters, Index positions, Index before,
                            Index maps, Index size, Index dimension, float *out, Index begin, Index end,
                            float *__restrict__ sum) {
    Index windows = positions + size - 1, half = dimension / 2, step = before * dimension, filter = size * step;
    for (Index b = begin; b < end; b++) {
        Index count = (Index)counts[b], used = count ? count + size - 1 : 0;
        float *to = out + b * windows * maps * half;
        memset(to + used * maps * half, 0, (windows - used) * maps * half * sizeof(float));
        for (Index f = 0; f < maps; f += 2) { /* two maps at a time, whose filters stay in the cache */
            Index two = f + 1 < maps;
            for (Index w = 0; w < used; w++) {
                Index first = w - (size - 1); /* position of the window's first slot */
                Index low = first < 0 ? -first : 0, high = first + size > count ? count - first : size;
                memset(sum, 0, 2 * dimension * sizeof(float));
                add_products(x + (b * positions + first + low) * step, dimension, filters + f * filter + low * step,
                             dimension, (high - low) * before, dimension, filter, sum, two ? sum + dimension : NULL);
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

/* The gradient of x (B, P, F', D), of texts from `begin` to `end`; filters (F', m, F, D), their slots from the last to
   the first. wide is scratch for (P + m - 1) F D numbers. */
STATIC void row_convolution_back_x(const float *grad, const int64_t *counts, const float *filters, Index positions,
                                   Index before, Index maps, Index size, Index dimension, float *x_grad, Index begin,
                                   Index end, float *wide) {
    Index windows = positions + size - 1, step = before * dimension, wide_step = maps * dimension;
    for (Index b = begin; b < end; b++) {
        Index count = (Index)counts[b];
        float *to = x_grad + b * positions * step;
        memset(to, 0, positions * step * sizeof(float));
        unfold(grad + b * windows * wide_step / 2, count ? (count + size - 1) * wide_step / 2 : 0, wide);
        for (Index g = 0; g < before; g += 2)
            for (Index p = 0; p < count; p++) { /* the windows from p on have it at their last slot, the one before, ... */
                float *row = to + p * step + g * dimension;
                add_products(wide + p * wide_step, dimension, filters + g * size * wide_step, dimension, size * maps,
                             dimension, size * wide_step, row, g + 1 < before ? row + dimension : NULL);
            }
    }
}

/* The gradient of the filters (F, m, F', D), added, of the maps from `begin` to `end`. wide as above. */
STATIC void row_convolution_back_filters(const float *grad, const float *x, const int64_t *counts, Index texts,
                                         Index positions, Index before, Index maps, Index size, Index dimension,
                                         float *filters_grad, Index begin, Index end, float *wide) {
    Index windows = positions + size - 1, step = before * dimension, half = dimension / 2;
    for (Index b = 0; b < texts; b++) {
        Index count = (Index)counts[b];
        const float *value = x + b * positions * step;
        for (Index f = begin; f < end; f++) {
            for (Index w = 0; count && w < count + size - 1; w++)
                unfold(grad + ((b * windows + w) * maps + f) * half, half, wide + w * dimension);
            for (Index j = 0; j < size; j++) {
                const float *from = wide + (size - 1 - j) * dimension; /* of the window whose slot j is at position 0 */
                float *to = filters_grad + (f * size + j) * step;
                for (Index g = 0; g < before; g += 2, to += 2 * dimension)
                    add_products(from, dimension, value + g * dimension, step, count, dimension, dimension, to,
                                 g + 1 < before ? to + dimension : NULL);
            }
        }
    }
}

/* Logits (B, K) of the DCNN. table (U, m, F D / 2) has the folded first layer; of each layer its size m, its maps F, its
   bias (F D / 2) and, after the first, its filters (F, m, F', D), one layer's after the other's; weights (K, features) and
   their bias (K). x, y, sorted and chosen are scratch for the
   values of a text, rows for three rows of int32. */
STATIC void row_logits(const float *table, const int32_t *ids, const int64_t *offsets, const int32_t *sizes,
                       const int32_t *maps, Index layers, Index dimension, Index k_top, const float *biases,
                       const float *filters, const float *weights, const float *weights_bias, Index classes,
                       float *logits, Index begin, Index end, const float **window, const float *zeros, float *x,
                       float *y, float *sorted, float *chosen, int32_t *rows, Index widest) {
    Index width = maps[0] * (dimension / 2), last = maps[layers - 1] * (dimension >> layers);
    for (Index b = begin; b < end; b++) {
        int64_t text[2] = {0, offsets[b + 1] - offsets[b]}, kept = 0;
        Index length = (Index)text[1], rows_now = dimension / 2;
        if (b + 1 < end) fetch_rows(table, ids + offsets[b + 1], offsets[b + 2] - offsets[b + 1], sizes[0] * width);
        const float *bias = biases, *filter = filters;
        if (length)
            sum_windows(table, ids + offsets[b], text, sizes[0], 0, sizes[0], width, 1, length + sizes[0] - 1, x, 0, 1,
                        window, zeros);
        int64_t count = length ? length + sizes[0] - 1 : 0;
        for (Index layer = 1; length && layer <= layers; layer++) {
            Index now = maps[layer - 1] * rows_now;
            int64_t k = ((layers - layer) * length + layers - 1) / layers;
            if (k < k_top) k = k_top;
            kept = k < count ? k : count;
            k_max(x, &count, &kept, (Index)count, now, (Index)kept, y, NULL, 0, 1, sorted, rows, rows + widest,
                  rows + 2 * widest, chosen, NULL);
            for (Index i = 0; i < kept; i++)
                for (Index f = 0; f < now; f++) y[i * now + f] += bias[f];
            squash(y, (Index)kept * now);
            bias += now;
            if (layer == layers) break;
            row_convolution(y, &kept, filter, (Index)kept, maps[layer - 1], maps[layer], sizes[layer], rows_now, x, 0,
                            1, sorted);
            filter += (Index)sizes[layer] * maps[layer] * now;
            count = kept + sizes[layer] - 1;
            rows_now /= 2;
        }
        for (Index k = 0; k < classes; k++)
            logits[b * classes + k] = dot(y, weights + k * k_top * last, (Index)kept * last) + weights_bias[k];
    }
}

/* ---- optimisers of single rows ---------------------------------------------------------------------------------- */

/* Adam: bring the rows words[u] of table and its moments (V, D) from step last[row] up to step `steps`; owed[t] is what
   the steps after t move a row that was last used in step t. */
STATIC void settle_adam(float *table, float *first, float *second, int64_t *last, const int64_t *words,
                        const double *owed, double epsilon, double beta1, double beta2, int64_t steps, Index dimension,
                        Index begin, Index end) {
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        int64_t before = last[words[u]], missed = steps - before;
        last[words[u]] = steps;
        if (!missed) continue;
        float *__restrict__ p = table + row, *__restrict__ m = first + row, *__restrict__ v = second + row;
        float move = (float)owed[before], by1 = (float)pow(beta1, missed), by2 = (float)pow(beta2, missed);
        float small = (float)(epsilon * sqrt((1 - pow(beta2, before + 1)) / beta2));
        for (Index d = 0; d < dimension; d++) {
            p[d] -= move * m[d] / (sqrtf(v[d]) + small);
            m[d] *= by1;
            v[d] *= by2;
        }
    }
}

/* Adam: step number `steps` of the rows words[u] with the gradient grad (U, D). */
STATIC void step_adam(float *table, float *first, float *second, int64_t *last, const int64_t *words,
                      const float *grad, float rate, float epsilon, float beta1, float beta2, int64_t steps,
                      Index dimension, Index begin, Index end) {
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        float *__restrict__ p = table + row, *__restrict__ m = first + row, *__restrict__ v = second + row;
        const float *__restrict__ g = grad + u * dimension;
        last[words[u]] = steps;
        for (Index d = 0; d < dimension; d++) {
            m[d] += (1 - beta1) * (g[d] - m[d]);
            v[d] = beta2 * v[d] + (1 - beta2) * g[d] * g[d];
            p[d] -= rate * m[d] / (sqrtf(v[d]) + epsilon);
        }
    }
}

/* Adadelta: step number `steps` of the rows words[u] with the gradient grad (U, D); their averages first decay by rho
   for each step since their last. */
STATIC void step_adadelta(float *table, float *square, float *moved, int64_t *last, const int64_t *words,
                          const float *grad, float rate, float epsilon, double rho, int64_t steps, Index dimension,
                          Index begin, Index end) {
    float keep = (float)rho, add = (float)(1 - rho);
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        float *__restrict__ p = table + row, *__restrict__ s = square + row, *__restrict__ a = moved + row;
        const float *__restrict__ g = grad + u * dimension;
        float by = (float)pow(rho, steps - 1 - last[words[u]]);
        last[words[u]] = steps;
        for (Index d = 0; d < dimension; d++) {
            float before = a[d] * by;
            s[d] = keep * by * s[d] + add * g[d] * g[d];
            float delta = sqrtf(before + epsilon) / sqrtf(s[d] + epsilon) * g[d];
            a[d] = keep * before + add * delta * delta;
            p[d] -= rate * delta;
        }
    }
}

#undef BY_SIZE
#undef STATIC
#undef INLINE
