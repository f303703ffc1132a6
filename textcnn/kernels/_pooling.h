/* k-max and average pooling; included by `_loops.h`.

   Rows of maps fill whole registers here: `step` is the number of maps rounded up to LANES (`whole`). */

#ifndef POOLING_ONCE
#define POOLING_ONCE

typedef struct {
    const float *x; /* (B, P, F) */
    const int64_t *counts, *ks; /* positions of each text, and how many of them to keep */
    Index texts, positions, maps, most;
    float *values;  /* (B, most, F) */
    int32_t *where; /* (B, most, F) */
    Index threads;
} KMax;

/* k-max and average pooling of the windows' responses: sums, biases added, activated. */
typedef struct {
    Table table;
    Texts texts;
    Regions regions;
    int wide;
    const float *bias; /* (R, F) */
    Index activation;  /* 0: identity, 1: ReLU, 2: tanh */
    Index k;           /* 0: average */
    float *values;     /* (B, R, k or 1, F), zeros after those that a text has */
    int32_t *where;    /* the word at which each begins, NO_WINDOW for none */
    const float *grad; /* of the averages, (B, R F) */
    float *table_grad, *bias_grad; /* (U, S, F), (R, F) */
    Index threads;
    int (*interrupted)(void); /* as in MaxWindows */
} PooledWindows;

/* Numbers for pooling to work with, for P positions. */
typedef struct {
    const float **rows;       /* (largest,), of a window */
    const float *zeros;       /* (step,) */
    float *x, *sorted;        /* (P, step); for averages x is (3, step) */
    float *bias;              /* (step,) */
    int32_t *above, *equal;   /* (P / 32 rounded up, step): see `mark_largest` */
} Pool;

#define larger FOR_PROCESSOR(larger)
#define smaller FOR_PROCESSOR(smaller)
#define whole FOR_PROCESSOR(whole)
#define sort_maps FOR_PROCESSOR(sort_maps)
#define kth_largest FOR_PROCESSOR(kth_largest)
#define mark_largest FOR_PROCESSOR(mark_largest)
#define keep_marks FOR_PROCESSOR(keep_marks)
#define take_largest FOR_PROCESSOR(take_largest)
#define k_max FOR_PROCESSOR(k_max)
#define activate FOR_PROCESSOR(activate)
#define respond FOR_PROCESSOR(respond)
#define k_windows FOR_PROCESSOR(k_windows)
#define mean_windows FOR_PROCESSOR(mean_windows)
#define mean_windows_back FOR_PROCESSOR(mean_windows_back)
#endif /* POOLING_ONCE */

INLINE Index whole(Index maps) { return (maps + LANES - 1) / LANES * LANES; }

/* Number by number, which compilers turn into single instructions. */
INLINE Lanes larger(Lanes a, Lanes b) {
    Lanes c;
    for (int lane = 0; lane < LANES; lane++) c[lane] = a[lane] > b[lane] ? a[lane] : b[lane];
    return c;
}

INLINE Lanes smaller(Lanes a, Lanes b) {
    Lanes c;
    for (int lane = 0; lane < LANES; lane++) c[lane] = b[lane] < a[lane] ? b[lane] : a[lane];
    return c;
}

/* Sort each map of x (count, step) by itself, the largest first: a network of exchanges, which takes all maps at once
   (Batcher's merge exchange: Knuth, The Art of Computer Programming 5.2.2, algorithm M). */
INLINE void sort_maps(float *x, Index count, Index step) {
    Index top = 1;
    while (2 * top < count) top *= 2;
    for (Index p = top; p > 0 && count > 1; p /= 2) {
        Index q = top, r = 0, distance = p;
        for (;;) {
            for (Index i = 0; i + distance < count; i++) {
                if ((i & p) != r) continue;
                float *__restrict__ low = x + i * step, *__restrict__ high = x + (i + distance) * step;
                for (Index f = 0; f < step; f += LANES) {
                    Lanes a = load(low + f), b = load(high + f);
                    store(low + f, larger(a, b));
                    store(high + f, smaller(a, b));
                }
            }
            if (q == p) break;
            distance = q - p;
            q /= 2;
            r = p;
        }
    }
}

/* The k-th largest of `count` rows, k at most MOST_BLOCKS: each row goes down a list of the k largest before it. */
INLINE Lanes kth_largest(const float *x, Index count, Index step, Index k) {
    Lanes top[MOST_BLOCKS];
    for (Index i = 0; i < k; i++) top[i] = (Lanes){0} - INFINITY;
    for (Index p = 0; p < count; p++) {
        Lanes value = load(x + p * step);
        for (Index i = 0; i < k; i++) {
            Lanes before = top[i];
            top[i] = larger(before, value);
            value = smaller(before, value);
        }
    }
    return top[k - 1];
}

/* Mark the k largest of `count` positions of each map, x (count, step): bit p % 32 of above[p / 32] is whether position
   p is above the k-th largest, and of equal[p / 32] whether it equals it. k is 1 or more. */
INLINE void mark_largest(const float *x, Index count, Index step, Index k, const Pool *pool) {
    const int sorting = k > MOST_BLOCKS && k < count;
    if (sorting) {
        memcpy(pool->sorted, x, (size_t)(count * step) * sizeof(float));
        sort_maps(pool->sorted, count, step);
    }
    for (Index f = 0; f < step; f += LANES) {
        Lanes least = {0};
        if (sorting) least = load(pool->sorted + (k - 1) * step + f);
        else if (k < count)
            switch (k) {
            case 1: least = kth_largest(x + f, count, step, 1); break;
            case 2: least = kth_largest(x + f, count, step, 2); break;
            case 3: least = kth_largest(x + f, count, step, 3); break;
            case 4: least = kth_largest(x + f, count, step, 4); break;
            case 5: least = kth_largest(x + f, count, step, 5); break;
            case 6: least = kth_largest(x + f, count, step, 6); break;
            case 7: least = kth_largest(x + f, count, step, 7); break;
            default: least = kth_largest(x + f, count, step, 8);
            }
        for (Index begin = 0; begin < count; begin += 32) {
            LaneBits above = {0}, equal = {0};
            const Index end = begin + 32 < count ? begin + 32 : count;
            if (k >= count) above += (int32_t)(UINT32_MAX >> (32 - (end - begin)));
            for (Index p = begin; k < count && p < end; p++) {
                const Lanes value = load(x + p * step + f);
                const int32_t bit = (int32_t)(1u << (p - begin));
                above |= (LaneBits)(value > least) & bit;
                equal |= (LaneBits)(value == least) & bit;
            }
            memcpy(pool->above + begin / 32 * step + f, &above, sizeof(above));
            memcpy(pool->equal + begin / 32 * step + f, &equal, sizeof(equal));
        }
    }
}

/* Of a word of marks those to keep, where `spare` that equal the k-th largest are wanted: the first ones. */
INLINE uint32_t keep_marks(uint32_t above, uint32_t equal, int spare) {
    for (int over = __builtin_popcount(equal) - spare; over > 0 && equal; over--)
        equal ^= UINT32_C(1) << (31 - __builtin_clz(equal));
    return above | equal;
}

/* Take the k largest of the `count` positions of a map that `mark_largest` marked, in their order; ties go to the
   first. NaN is in no order: where it leaves fewer than k, NaN comes after them. `bias` is added to each; places is NULL
   or gets their positions. */
INLINE void take_largest(const float *x, Index count, Index step, Index map, Index k, const Pool *pool, float bias,
                         float *to, Index to_step, int32_t *places, Index places_step) {
    const int32_t *const above = pool->above + map, *const equal = pool->equal + map;
    const Index words = (count + 31) / 32;
    int spare = (int)k; /* how many that equal the k-th largest are kept: those that larger ones leave room for */
    for (Index word = 0; word < words; word++) spare -= __builtin_popcount((uint32_t)above[word * step]);
    Index left = k;
    x += map;
    for (Index word = 0; word < words; word++, x += 32 * step) {
        uint32_t kept = keep_marks((uint32_t)above[word * step], (uint32_t)equal[word * step], spare);
        spare -= __builtin_popcount(kept & ~(uint32_t)above[word * step]);
        for (; kept && left; kept &= kept - 1, left--, to += to_step) {
            const Index p = __builtin_ctz(kept);
            *to = x[p * step] + bias;
            if (!places) continue;
            *places = (int32_t)(word * 32 + p);
            places += places_step;
        }
    }
    for (; left; left--, to += to_step) {
        *to = NAN;
        if (!places) continue;
        *places = 0;
        places += places_step;
    }
}

/* Of each text the ks[b] largest of its counts[b] positions, in order, for each map; ties go to the first. Zeros and -1
   come after them. */
STATIC void k_max(const KMax *a, Index begin, Index end, const Pool *pool) {
    const Index maps = a->maps, most = a->most, step = whole(maps);
    for (Index b = begin; b < end; b++) {
        const float *from = a->x + b * a->positions * maps;
        const Index count = (Index)a->counts[b], k = (Index)a->ks[b] < count ? (Index)a->ks[b] : count;
        float *to = a->values + b * most * maps;
        int32_t *at = a->where + b * most * maps;
        if (k) {
            for (Index p = 0; p < count; p++) memcpy(pool->x + p * step, from + p * maps, (size_t)maps * sizeof(float));
            mark_largest(pool->x, count, step, k, pool);
            for (Index f = 0; f < maps; f++)
                take_largest(pool->x, count, step, f, k, pool, 0, to + f, maps, at + f, maps);
        }
        memset(to + k * maps, 0, (size_t)((most - k) * maps) * sizeof(float));
        memset(at + k * maps, 0xff, (size_t)((most - k) * maps) * sizeof(int32_t));
    }
}

/* ---- of windows -------------------------------------------------------------------------------------------------- */

INLINE Lanes activate(Lanes value, Index activation) {
    if (activation == 1) return (Lanes)((LaneBits)value & ~(LaneBits)(value < 0)); /* NaN stays */
    return activation == 2 ? squash_lanes(value) : value;
}

/* The responses of the window at `start`, of `maps` maps of a table; the numbers after them are not used. */
INLINE void respond(const PooledWindows *a, const Table *table, const int32_t *text, Index length, Index start,
                    Index size, Index slot, Index maps, const Pool *pool, float *to) {
    find_rows(pool->rows, table, text, length, start, size, slot, pool->zeros);
#define ADD(size) add_window(to, pool->rows, size, maps)
    BY_SIZE(size, ADD)
#undef ADD
    for (Index f = 0; f < maps; f += LANES) store(to + f, activate(load(to + f) + load(pool->bias + f), a->activation));
}

STATIC void k_windows(const PooledWindows *a, Index begin, Index end, const Pool *pool) {
    const Index maps = a->table.maps, step = whole(maps), regions = a->regions.count;
    for (Index b = begin; b < end; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        for (Index r = 0, slot = 0; r < regions; slot += a->regions.sizes[r++]) {
            const Index size = a->regions.sizes[r];
            const Windows windows = windows_of(length, size, a->wide);
            const Index k = a->k < windows.count ? a->k : windows.count;
            float *to = a->values + (b * regions + r) * a->k * maps;
            int32_t *at = a->where + (b * regions + r) * a->k * maps;
            memcpy(pool->bias, a->bias + r * maps, (size_t)maps * sizeof(float));
            for (Index w = 0; w < windows.count; w++) {
                if (w && w % BLOCK_OF_WINDOWS == 0 && a->interrupted && a->interrupted()) return;
                respond(a, &a->table, text, length, windows.first + w, size, slot, maps, pool, pool->x + w * step);
            }
            if (k) mark_largest(pool->x, windows.count, step, k, pool);
            for (Index f = 0; k && f < maps; f++)
                take_largest(pool->x, windows.count, step, f, k, pool, 0, to + f, maps, at + f, maps);
            for (Index i = 0; i < k * maps; i++) at[i] += (int32_t)windows.first;
            for (Index i = k * maps; i < a->k * maps; i++) to[i] = 0, at[i] = NO_WINDOW;
        }
    }
}

/* Sums are taken in parts of so many windows, so that those of long texts stay exact. */
#define PART_OF_WINDOWS 1024

STATIC void mean_windows(const PooledWindows *a, Index begin, Index end, const Pool *pool) {
    const Index maps = a->table.maps, step = whole(maps), regions = a->regions.count;
    float *const row = pool->x, *const part = row + step, *const sum = part + step;
    for (Index b = begin; b < end; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        for (Index r = 0, slot = 0; r < regions; slot += a->regions.sizes[r++]) {
            const Index size = a->regions.sizes[r];
            const Windows windows = windows_of(length, size, a->wide);
            memcpy(pool->bias, a->bias + r * maps, (size_t)maps * sizeof(float));
            memset(part, 0, (size_t)(2 * step) * sizeof(float));
            for (Index w = 0; w < windows.count; w++) {
                if (w && w % BLOCK_OF_WINDOWS == 0 && a->interrupted && a->interrupted()) return;
                respond(a, &a->table, text, length, windows.first + w, size, slot, maps, pool, row);
                for (Index f = 0; f < step; f += LANES) store(part + f, load(part + f) + load(row + f));
                if ((w + 1) % PART_OF_WINDOWS && w + 1 < windows.count) continue;
                for (Index f = 0; f < step; f += LANES) {
                    store(sum + f, load(sum + f) + load(part + f));
                    store(part + f, (Lanes){0});
                }
            }
            float *to = a->values + (b * regions + r) * maps;
            const float count = windows.count ? (float)windows.count : 1;
            for (Index f = 0; f < maps; f++) to[f] = sum[f] / count;
        }
    }
}

/* For the maps from `begin` to `end` of every region. The responses are computed again: they were not kept. */
STATIC void mean_windows_back(const PooledWindows *a, Index begin, Index end, const Pool *pool) {
    const Index maps = a->table.maps, some = end - begin, step = whole(some), regions = a->regions.count;
    const Index stride = a->table.slots * maps;
    Table table = a->table;
    table.numbers += begin;
    float *const row = pool->x, *const part = row + step, *const sum = part + step;
    for (Index b = 0; b < a->texts.count; b++) {
        const int32_t *text = a->texts.ids + a->texts.offsets[b];
        const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        for (Index r = 0, slot = 0; r < regions; slot += a->regions.sizes[r++]) {
            const Index size = a->regions.sizes[r];
            const Windows windows = windows_of(length, size, a->wide);
            const float *grad = a->grad + (b * regions + r) * maps + begin;
            memcpy(pool->bias, a->bias + r * maps + begin, (size_t)some * sizeof(float));
            memset(part, 0, (size_t)(2 * step) * sizeof(float));
            for (Index f = 0; windows.count && f < some; f++) part[f] = grad[f] / (float)windows.count;
            for (Index w = 0; w < windows.count; w++) {
                const Index start = windows.first + w;
                if (w && w % BLOCK_OF_WINDOWS == 0 && a->interrupted && a->interrupted()) return;
                if (a->activation) respond(a, &table, text, length, start, size, slot, some, pool, row);
                for (Index f = 0; f < step; f += LANES) {
                    Lanes value = load(part + f), response = load(row + f);
                    if (a->activation == 1) value = (Lanes)((LaneBits)value & (LaneBits)(response > 0));
                    if (a->activation == 2) value *= 1 - response * response;
                    store(row + f, value);
                    store(sum + f, load(sum + f) + value);
                }
                for (Index j = start < 0 ? -start : 0; j < size && start + j < length; j++) {
                    float *__restrict__ to = a->table_grad + text[start + j] * stride + (slot + j) * maps + begin;
                    const float *__restrict__ from = row;
                    for (Index f = 0; f < some; f++) to[f] += from[f];
                }
            }
            for (Index f = 0; f < some; f++) a->bias_grad[r * maps + begin + f] += sum[f];
        }
    }
}
