/* The loops themselves. `_kernels.c` includes this file once for each kind of processor, which
   gives every function here that kind's suffix; LANES numbers fill one of its registers.

   Shapes: B texts, U distinct words, N tokens, S slots, F feature maps, D dimensions, P positions. Text b has the
   tokens ids[offsets[b]] to ids[offsets[b + 1] - 1], each of them a row of a table. */

#ifndef LOOPS_RENAMED
#define LOOPS_RENAMED
#define Lanes FOR_PROCESSOR(Lanes)
#define Windows FOR_PROCESSOR(Windows)
#define load FOR_PROCESSOR(load)
#define store FOR_PROCESSOR(store)
#define windows_of FOR_PROCESSOR(windows_of)
#define add_rows FOR_PROCESSOR(add_rows)
#define add_window FOR_PROCESSOR(add_window)
#define find_rows FOR_PROCESSOR(find_rows)
#define max_windows FOR_PROCESSOR(max_windows)
#define sparse_gradient FOR_PROCESSOR(sparse_gradient)
#define multiply_row FOR_PROCESSOR(multiply_row)
#define sparse_product FOR_PROCESSOR(sparse_product)
#define sum_windows FOR_PROCESSOR(sum_windows)
#define sum_windows_back FOR_PROCESSOR(sum_windows_back)
#define rank_pairs FOR_PROCESSOR(rank_pairs)
#define select_largest FOR_PROCESSOR(select_largest)
#define select_columns FOR_PROCESSOR(select_columns)
#define k_max FOR_PROCESSOR(k_max)
#define k_max_back FOR_PROCESSOR(k_max_back)
#define convolve_rows FOR_PROCESSOR(convolve_rows)
#define row_convolution FOR_PROCESSOR(row_convolution)
#define row_convolution_back_x FOR_PROCESSOR(row_convolution_back_x)
#define row_convolution_back_filters FOR_PROCESSOR(row_convolution_back_filters)
#define settle_adam FOR_PROCESSOR(settle_adam)
#define step_adam FOR_PROCESSOR(step_adam)
#define step_adadelta FOR_PROCESSOR(step_adadelta)
#endif

#define STATIC static TARGET
#define INLINE static inline __attribute__((always_inline)) TARGET

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float))));

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

INLINE void add_rows(float *__restrict__ sum, const float *const *rows, int size, Index maps) {
    for (Index f = 0; f < maps; f++) {
        float total = rows[0][f];
        for (int j = 1; j < size; j++) total += rows[j][f];
        sum[f] = total;
    }
}

/* The sum of a window's rows, first to last. */
INLINE void add_window(float *__restrict__ sum, const float *const *rows, Index size, Index maps) {
    switch (size) {
    case 1: add_rows(sum, rows, 1, maps); return;
    case 2: add_rows(sum, rows, 2, maps); return;
    case 3: add_rows(sum, rows, 3, maps); return;
    case 4: add_rows(sum, rows, 4, maps); return;
    case 5: add_rows(sum, rows, 5, maps); return;
    case 6: add_rows(sum, rows, 6, maps); return;
    case 7: add_rows(sum, rows, 7, maps); return;
    default: add_rows(sum, rows, UNROLLED, maps);
    }
    for (Index j = UNROLLED; j < size; j++)
        for (Index f = 0; f < maps; f++) sum[f] += rows[j][f];
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
                        Index end, const float **rows, const float *zeros, float *__restrict__ sum) {
    for (Index b = begin; b < end; b++) {
        const int32_t *text = ids + offsets[b];
        Index length = (Index)(offsets[b + 1] - offsets[b]), slot = 0;
        for (Index r = 0; r < regions; r++) {
            Index size = sizes[r];
            float *__restrict__ top = best + (b * regions + r) * maps;
            int32_t *__restrict__ at = where ? where + (b * regions + r) * maps : NULL;
            Windows windows = windows_of(length, size, wide);
            if (!windows.count) {
                memset(top, 0, maps * sizeof(float));
                if (at) memset(at, 0, maps * sizeof(int32_t));
            }
            for (Index w = 0; w < windows.count; w++) {
                int32_t start = (int32_t)(windows.first + w);
                find_rows(rows, table, text, length, start, size, slot, slots * maps, maps, zeros);
                if (!w) {
                    add_window(top, rows, size, maps);
                    if (at)
                        for (Index f = 0; f < maps; f++) at[f] = start;
                    continue;
                }
                add_window(sum, rows, size, maps);
                if (at)
                    for (Index f = 0; f < maps; f++) at[f] = sum[f] > top[f] ? start : at[f];
                for (Index f = 0; f < maps; f++) top[f] = sum[f] > top[f] ? sum[f] : top[f];
            }
            slot += size;
        }
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
            add_window(to, rows, size, maps);
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

/* Which positions of x (count, F) are among the k largest of a map, of equals the first: keep (count, F). */
INLINE void rank_pairs(const float *x, Index count, Index maps, Index k, int32_t *keep) {
    for (Index p = 0; p < count; p++) {
        const float *__restrict__ later = x + p * maps;
        int32_t *__restrict__ rank = keep + p * maps;
        for (Index f = 0; f < maps; f++) rank[f] = (int32_t)p; /* if all before are at least as large */
        for (Index q = 0; q < p; q++) {
            const float *__restrict__ earlier = x + q * maps;
            int32_t *__restrict__ other = keep + q * maps;
            for (Index f = 0; f < maps; f++) {
                int32_t above = later[f] > earlier[f];
                other[f] += above;
                rank[f] -= above;
            }
        }
    }
    for (Index i = 0; i < count * maps; i++) keep[i] = keep[i] < k;
}

/* The k-th largest of `count` numbers, which end in another order (Hoare's selection). */
STATIC float select_largest(float *x, Index count, Index k) {
    Index low = 0, high = count - 1, target = k - 1;
    while (low < high) {
        float pivot = x[low + (high - low) / 2];
        Index i = low, j = high;
        while (i <= j) {
            while (x[i] > pivot) i++;
            while (x[j] < pivot) j--;
            if (i <= j) {
                float swap = x[i];
                x[i++] = x[j];
                x[j--] = swap;
            }
        }
        if (target <= j) high = j;
        else if (target >= i) low = i;
        else break;
    }
    return x[target];
}

/* The same as `rank_pairs` for many positions: one map after the other; copy is scratch for `count` numbers. */
STATIC void select_columns(const float *x, Index count, Index maps, Index k, int32_t *keep, float *copy) {
    for (Index f = 0; f < maps; f++) {
        for (Index p = 0; p < count; p++) copy[p] = x[p * maps + f];
        float least = select_largest(copy, count, k);
        Index equal = k;
        for (Index p = 0; p < count; p++) equal -= x[p * maps + f] > least;
        for (Index p = 0; p < count; p++) {
            float value = x[p * maps + f];
            keep[p * maps + f] = value > least || (value == least && equal-- > 0);
        }
    }
}

/* x (B, P, F), of which text b has counts[b] positions, to its ks[b] largest a map in order, values (B, K, F), and
   their positions, where (B, K, F); zeros and -1 behind. Scratch: keep (P + 1, F), copy (P,), and chosen and place
   (K + 1, F), since what is not kept is written too, behind the last that was kept. */
STATIC void k_max(const float *x, const int64_t *counts, const int64_t *ks, Index positions, Index maps, Index most,
                  float *values, int32_t *where, Index begin, Index end, int32_t *keep, float *copy, float *chosen,
                  int32_t *place) {
    int32_t *row = keep + positions * maps; /* where each map's next value goes */
    for (Index b = begin; b < end; b++) {
        const float *from = x + b * positions * maps;
        Index count = (Index)counts[b], k = (Index)ks[b] < count ? (Index)ks[b] : count;
        float *to = values + b * most * maps;
        int32_t *at = where + b * most * maps;
        if (k) {
            if (count <= PAIRWISE) rank_pairs(from, count, maps, k, keep);
            else select_columns(from, count, maps, k, keep, copy);
            memset(row, 0, maps * sizeof(int32_t));
            for (Index p = 0; p < count; p++)
                for (Index f = 0; f < maps; f++) {
                    Index i = row[f] * maps + f;
                    chosen[i] = from[p * maps + f];
                    place[i] = (int32_t)p;
                    row[f] += keep[p * maps + f] & (row[f] < k); /* NaN is in no order: never more than k */
                }
            memcpy(to, chosen, k * maps * sizeof(float));
            memcpy(at, place, k * maps * sizeof(int32_t));
        }
        memset(to + k * maps, 0, (most - k) * maps * sizeof(float));
        memset(at + k * maps, 0xff, (most - k) * maps * sizeof(int32_t));
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

/* One map at one window, its slots from `low` to `high`: sum (D,), whose dimensions are each by themselves. */
INLINE void convolve_rows(const float *x, const float *filter, Index low, Index high, Index before, Index maps,
                          Index dimension, float *__restrict__ sum) {
    Index step = before * dimension, d = 0;
    for (; d + LANES <= dimension; d += LANES) {
        Lanes total = {0};
        for (Index j = low; j < high; j++)
            for (Index g = 0; g < step; g += dimension)
                total += load(x + j * step + g + d) * load(filter + j * maps * step + g + d);
        store(sum + d, total);
    }
    for (; d < dimension; d++) {
        sum[d] = 0;
        for (Index j = low; j < high; j++)
            for (Index g = 0; g < step; g += dimension) sum[d] += x[j * step + g + d] * filter[j * maps * step + g + d];
    }
}

/* x (B, P, F', D), of which text b has counts[b] positions, and filters (m, F, F', D) to out (B, P + m - 1, F, D / 2):
   rows 2i and 2i + 1 are added. sum is scratch for D numbers. */
STATIC void row_convolution(const float *x, const int64_t *counts, const float *filters, Index positions, Index before,
                            Index maps, Index size, Index dimension, float *out, Index begin, Index end,
                            float *__restrict__ sum) {
    Index windows = positions + size - 1, half = dimension / 2;
    for (Index b = begin; b < end; b++) {
        Index count = (Index)counts[b], used = count ? count + size - 1 : 0;
        float *to = out + b * windows * maps * half;
        memset(to + used * maps * half, 0, (windows - used) * maps * half * sizeof(float));
        for (Index w = 0; w < used; w++) {
            Index first = w - (size - 1); /* position of the window's first slot */
            Index low = first < 0 ? -first : 0, high = first + size > count ? count - first : size;
            const float *from = x + (b * positions + first) * before * dimension;
            for (Index f = 0; f < maps; f++, to += half) {
                convolve_rows(from, filters + f * before * dimension, low, high, before, maps, dimension, sum);
                for (Index d = 0; d < half; d++) to[d] = sum[2 * d] + sum[2 * d + 1];
            }
        }
    }
}

/* The gradient of x (B, P, F', D), of texts from `begin` to `end`. */
STATIC void row_convolution_back_x(const float *grad, const int64_t *counts, const float *filters, Index positions,
                                   Index before, Index maps, Index size, Index dimension, float *x_grad, Index begin,
                                   Index end, float *__restrict__ wide) {
    Index windows = positions + size - 1, half = dimension / 2;
    for (Index b = begin; b < end; b++) {
        Index count = (Index)counts[b];
        float *to = x_grad + b * positions * before * dimension;
        memset(to, 0, positions * before * dimension * sizeof(float));
        for (Index w = 0; count && w < count + size - 1; w++)
            for (Index f = 0; f < maps; f++) {
                const float *from = grad + ((b * windows + w) * maps + f) * half;
                for (Index d = 0; d < half; d++) wide[2 * d] = wide[2 * d + 1] = from[d];
                for (Index j = 0; j < size; j++) {
                    Index p = w - (size - 1) + j;
                    if (p < 0 || p >= count) continue;
                    const float *__restrict__ filter = filters + (j * maps + f) * before * dimension;
                    float *__restrict__ back = to + p * before * dimension;
                    for (Index g = 0; g < before; g++, back += dimension, filter += dimension)
                        for (Index d = 0; d < dimension; d++) back[d] += wide[d] * filter[d];
                }
            }
    }
}

/* The gradient of the filters (m, F, F', D), added, of the maps from `begin` to `end`. */
STATIC void row_convolution_back_filters(const float *grad, const float *x, const int64_t *counts, Index texts,
                                         Index positions, Index before, Index maps, Index size, Index dimension,
                                         float *filters_grad, Index begin, Index end, float *__restrict__ wide) {
    Index windows = positions + size - 1, half = dimension / 2;
    for (Index b = 0; b < texts; b++) {
        Index count = (Index)counts[b];
        for (Index w = 0; count && w < count + size - 1; w++)
            for (Index f = begin; f < end; f++) {
                const float *from = grad + ((b * windows + w) * maps + f) * half;
                for (Index d = 0; d < half; d++) wide[2 * d] = wide[2 * d + 1] = from[d];
                for (Index j = 0; j < size; j++) {
                    Index p = w - (size - 1) + j;
                    if (p < 0 || p >= count) continue;
                    const float *__restrict__ value = x + (b * positions + p) * before * dimension;
                    float *__restrict__ to = filters_grad + (j * maps + f) * before * dimension;
                    for (Index g = 0; g < before; g++, to += dimension, value += dimension)
                        for (Index d = 0; d < dimension; d++) to[d] += wide[d] * value[d];
                }
            }
    }
}

/* ---- optimisers of single rows ---------------------------------------------------------------------------------- */

/* Adam: what the steps since a row was last used owe it. table and its moments (V, D); for each of the rows words[u]
   how far it moved and what its moments decayed by, and epsilon, (U,). */
STATIC void settle_adam(float *table, float *first, float *second, const int64_t *words, const float *owed,
                        const float *epsilon, const float *decay1, const float *decay2, Index dimension, Index begin,
                        Index end) {
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        float *__restrict__ p = table + row, *__restrict__ m = first + row, *__restrict__ v = second + row;
        float move = owed[u], small = epsilon[u], by1 = decay1[u], by2 = decay2[u];
        for (Index d = 0; d < dimension; d++) {
            p[d] -= move * m[d] / (sqrtf(v[d]) + small);
            m[d] *= by1;
            v[d] *= by2;
        }
    }
}

/* Adam: a step of the rows words[u] with the gradient grad (U, D). */
STATIC void step_adam(float *table, float *first, float *second, const int64_t *words, const float *grad, float rate,
                      float epsilon, float beta1, float beta2, Index dimension, Index begin, Index end) {
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        float *__restrict__ p = table + row, *__restrict__ m = first + row, *__restrict__ v = second + row;
        const float *__restrict__ g = grad + u * dimension;
        for (Index d = 0; d < dimension; d++) {
            m[d] += (1 - beta1) * (g[d] - m[d]);
            v[d] = beta2 * v[d] + (1 - beta2) * g[d] * g[d];
            p[d] -= rate * m[d] / (sqrtf(v[d]) + epsilon);
        }
    }
}

/* Adadelta: a step of the rows words[u]; both averages first decay by what the steps since their last owe them. */
STATIC void step_adadelta(float *table, float *square, float *moved, const int64_t *words, const float *grad,
                          const float *decay, float rate, float epsilon, float rho, Index dimension, Index begin,
                          Index end) {
    for (Index u = begin; u < end; u++) {
        Index row = (Index)words[u] * dimension;
        float *__restrict__ p = table + row, *__restrict__ s = square + row, *__restrict__ a = moved + row;
        const float *__restrict__ g = grad + u * dimension;
        float by = decay[u];
        for (Index d = 0; d < dimension; d++) {
            float before = a[d] * by;
            s[d] = rho * by * s[d] + (1 - rho) * g[d] * g[d];
            float delta = sqrtf(before + epsilon) / sqrtf(s[d] + epsilon) * g[d];
            a[d] = rho * before + (1 - rho) * delta * delta;
            p[d] -= rate * delta;
        }
    }
}

#undef STATIC
#undef INLINE
