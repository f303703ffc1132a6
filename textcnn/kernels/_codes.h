/* Kim's network over a table of whole numbers of 8 or 16 bits, with a scale for each map. `_loops.h` includes this file
   twice for each kind of processor: CODE is the type of the table's numbers, SUM that of a window's sum, LEAST_SUM the
   least of these, and SUMS of them fill a register. */

#define Codes FOR_CODES(Codes)
#define Sums FOR_CODES(Sums)
#define load_codes FOR_CODES(load_codes)
#define keep_sums FOR_CODES(keep_sums)
#define keep_few_sums FOR_CODES(keep_few_sums)
#define code_logits FOR_CODES(code_logits)

typedef CODE Codes __attribute__((vector_size(SUMS * sizeof(CODE))));
typedef SUM Sums __attribute__((vector_size(SUMS * sizeof(SUM))));

INLINE Sums load_codes(const CODE *from) {
    Codes codes;
    memcpy(&codes, from, sizeof(codes));
    return __builtin_convertvector(codes, Sums);
}

/* The largest sums over a text's windows of one size: of `blocks` times SUMS maps, which begin at `at`. `table` is that
   of the windows' first slot. */
INLINE void keep_sums(SUM *best, const CODE *table, Index stride, Index maps, const int32_t *ids, Index length,
                      Index size, Windows windows, const Index *at, const int blocks) {
    Sums top[MOST_BLOCKS], sum[MOST_BLOCKS];
    for (int v = 0; v < blocks; v++) top[v] = (Sums){0} + (SUM)LEAST_SUM;
    for (Index start = windows.first; start < windows.first + windows.count; start++) {
        const Index last = start + size < length ? start + size : length;
        for (int v = 0; v < blocks; v++) sum[v] = (Sums){0};
        for (Index i = start < 0 ? 0 : start; i < last; i++) {
            const CODE *row = table + (Index)ids[i] * stride + (i - start) * maps;
            for (int v = 0; v < blocks; v++) sum[v] += load_codes(row + at[v]);
        }
        for (int v = 0; v < blocks; v++) {
            Sums above = sum[v] > top[v];
            top[v] = (sum[v] & above) | (top[v] & ~above);
        }
    }
    for (int v = 0; v < blocks; v++) memcpy(best + at[v], &top[v], sizeof(Sums));
}

/* The same of fewer maps than fill a register. */
STATIC void keep_few_sums(SUM *best, const CODE *table, Index stride, Index maps, const int32_t *ids, Index length,
                          Index size, Windows windows) {
    for (Index f = 0; f < maps; f++) {
        best[f] = LEAST_SUM;
        for (Index start = windows.first; start < windows.first + windows.count; start++) {
            const Index last = start + size < length ? start + size : length;
            SUM sum = 0;
            for (Index i = start < 0 ? 0 : start; i < last; i++)
                sum = (SUM)(sum + table[(Index)ids[i] * stride + (i - start) * maps + f]);
            if (sum > best[f]) best[f] = sum;
        }
    }
}

/* `max_logits` over such a table. Scratch: features (R F,), best (F,). */
STATIC void code_logits(const CodeLogits *a, Index begin, Index end, float *__restrict__ features, void *scratch) {
    const MaxLogits *of = &a->of;
    const Texts *texts = &of->windows.texts;
    const Regions *regions = &of->windows.regions;
    const Index maps = of->windows.table.maps, stride = of->windows.table.slots * maps, count = regions->count * maps;
    SUM *best = scratch;
    for (Index b = begin; b < end; b++) {
        const int32_t *ids = texts->ids + texts->offsets[b];
        const Index length = (Index)(texts->offsets[b + 1] - texts->offsets[b]);
        const CODE *slot = a->codes;
        if (b + 1 < end)
            fetch_rows(slot, sizeof(CODE), ids + length, texts->offsets[b + 2] - texts->offsets[b + 1], stride);
        for (Index i = 0; i < count; i++) features[i] = 0;
        for (Index r = 0; length && r < regions->count; slot += regions->sizes[r++] * maps) {
            const Index size = regions->sizes[r];
            const Windows windows = windows_of(length, size, of->windows.wide);
            if (length > BLOCK_OF_WINDOWS && of->windows.interrupted()) return;
            if (maps < SUMS) keep_few_sums(best, slot, stride, maps, ids, length, size, windows);
            for (Index first = 0; maps >= SUMS && first < maps;) {
                /* The last block ends with the last map, and may begin before the one before it ends. */
                const int blocks = maps - first > 4 * SUMS ? 8 : 4;
                Index at[MOST_BLOCKS];
                for (int v = 0; v < blocks; v++, first += SUMS) at[v] = first + SUMS < maps ? first : maps - SUMS;
                if (blocks == 8) keep_sums(best, slot, stride, maps, ids, length, size, windows, at, 8);
                else keep_sums(best, slot, stride, maps, ids, length, size, windows, at, 4);
            }
            const float *scales = a->scales + r * maps, *bias = of->bias + r * maps;
            for (Index f = 0; f < maps; f++) features[r * maps + f] = (float)best[f] * scales[f] + bias[f];
        }
        text_logits(of, b, features, length);
    }
}
