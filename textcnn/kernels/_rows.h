/* The layers of the DCNN, one text at a time, and their gradients; included by `_loops.h`.

   The values under a layer's convolution are in rows, (D, P, F'), with m - 1 positions of zeros before, between and
   after the rows: a window of one row is m F' numbers one after the other. Windows have their maps side by side, filled
   up to whole registers. */

#ifndef ROWS_ONCE
#define ROWS_ONCE

#define MOST_LAYERS 30
#define WINDOWS_AT_ONCE 4 /* windows, times two registers of maps, that are summed at a time */

typedef struct {
    const int32_t *sizes, *maps; /* m and F of each layer */
    Index layers, dimension, k_top;
    const float *biases;  /* (F, D / 2) of each layer, one after the other */
    const float *filters; /* (D, m, F', F) of each layer after the first, one after the other */
    Index biases_count, filters_count, features;
    /* Bounds: of a text's positions in any layer, of a position's numbers there, of m, of the values that a text has
       under convolutions, and of those that its layers keep. */
    Index positions, widest, largest, values, kept;
    Index padded; /* numbers of the filters with maps, or slots, filled up */
} RowLayers;

typedef struct {
    RowLayers layers;
    const float *table; /* (U, m, F D / 2): the folded first layer */
    Texts texts;
    const float *weights, *weights_bias; /* (K, features), (K,) */
    Index classes;
    float *logits; /* (B, K) */
} RowLogits;

/* A whole forward pass from words, and what the gradients are taken from. */
typedef struct {
    RowLayers layers;
    const float *words, *first; /* (U, C, D), (C, m, F, D) */
    Index distinct, channels;
    Texts texts;
    float *features; /* (B, k_top F D / 2^layers) */
    float *values;   /* of each text and layer but the last, one after the other */
    int32_t *places; /* which windows each layer keeps, (k, F, D) */
    const float *grad; /* of the features */
    float *words_grad, *first_grad, *biases_grad, *filters_grad;
    Index values_count, places_count; /* of all texts */
    Index threads, blocks; /* texts, and words, are taken in so many blocks, each with sums of its own */
    /* Scratch for all threads. */
    int64_t *values_at, *places_at; /* where the values and places of each text begin, (B + 1,) */
    float *halves;  /* (C, 2, m, step): first layer's filters of even and of odd rows */
    float *table;   /* (U, m, step) */
    float *padded;  /* filters as `pad_filters` or `turn_filters` make them */
    float *windows_grad;    /* (N + B (m - 1), step) */
    int64_t *starts, *used; /* of each word its positions are used[starts[u]] to used[starts[u + 1] - 1], as windows */
    float *sums; /* (blocks, numbers of the gradients of filters, padded, and biases) or (blocks, halves) */
} RowTraining;

/* Numbers for a thread to work with. */
typedef struct {
    Pool pool;      /* x holds a layer's windows */
    float *values, *features; /* of a text; prediction keeps neither */
    float *grad;    /* of what a layer keeps, (positions, widest) */
    float *values_grad;
    int32_t *rows;  /* (D / 2 + 1,) */
} RowWork;

static Index filled(Index numbers) { return (numbers + MOST_LANES - 1) / MOST_LANES * MOST_LANES; }

/* How many of a layer's `count` windows its pooling keeps in a text: k_l = max(k_top, ceil((L - l) / L * s)), if so
   many are there. */
static Index kept_of(const RowLayers *a, Index length, Index layer, Index count) {
    Index k = ((a->layers - layer) * length + a->layers - 1) / a->layers;
    if (k < a->k_top) k = a->k_top;
    return k < count ? k : count;
}

/* The values under the convolution of `layer`, from 2: `kept` positions, and the zeros around them. */
static Index values_under(const RowLayers *a, Index layer, Index kept) {
    const Index margin = a->sizes[layer - 1] - 1;
    return ((a->dimension >> (layer - 1)) * (kept + margin) + margin) * a->maps[layer - 2];
}

/* The values and places that a text has in all layers. */
static void room_of_text(const RowLayers *a, Index length, Index *values, Index *places) {
    Index count = length ? length + a->sizes[0] - 1 : 0;
    *values = *places = 0;
    for (Index layer = 1; length && layer <= a->layers; layer++) {
        const Index kept = kept_of(a, length, layer, count);
        *places += kept * a->maps[layer - 1] * (a->dimension >> layer);
        if (layer == a->layers) break;
        *values += values_under(a, layer + 1, kept);
        count = kept + a->sizes[layer] - 1;
    }
}

#define pad_filters FOR_PROCESSOR(pad_filters)
#define turn_filters FOR_PROCESSOR(turn_filters)
#define add_taps FOR_PROCESSOR(add_taps)
#define convolve_rows FOR_PROCESSOR(convolve_rows)
#define keep_largest FOR_PROCESSOR(keep_largest)
#define text_layers FOR_PROCESSOR(text_layers)
#define row_logits FOR_PROCESSOR(row_logits)
#define halve_filters FOR_PROCESSOR(halve_filters)
#define repeat_word FOR_PROCESSOR(repeat_word)
#define project_words FOR_PROCESSOR(project_words)
#define row_layers FOR_PROCESSOR(row_layers)
#define add_window_back FOR_PROCESSOR(add_window_back)
#define convolve_rows_back FOR_PROCESSOR(convolve_rows_back)
#define text_layers_back FOR_PROCESSOR(text_layers_back)
#define row_layers_back FOR_PROCESSOR(row_layers_back)
#define words_back FOR_PROCESSOR(words_back)
#define sum_filters FOR_PROCESSOR(sum_filters)
#define sum_halves FOR_PROCESSOR(sum_halves)
#endif /* ROWS_ONCE */

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* The filters (D, m F', F) of each layer after the first with their maps filled up to whole registers. */
STATIC void pad_filters(const RowLayers *a, float *to) {
    const float *from = a->filters;
    for (Index layer = 2; layer <= a->layers; layer++) {
        const Index maps = a->maps[layer - 1], step = whole(maps);
        const Index rows = (a->dimension >> (layer - 1)) * a->sizes[layer - 1] * a->maps[layer - 2];
        for (Index row = 0; row < rows; row++, from += maps, to += step) {
            memset(to + maps, 0, (size_t)(step - maps) * sizeof(float));
            for (Index f = 0; f < maps; f++) to[f] = from[f];
        }
    }
}

/* `count` windows of `vectors` registers of maps: products with the numbers `begin` to `end` of a window in a row and
   in the next, which is folding. Windows are `before` numbers apart, rows `row`, filters' numbers `step` and rows of
   filters `filter`. */
INLINE void add_taps(const float *x, Index row, Index before, const float *filters, Index filter, Index step,
                     Index begin, Index end, Index count, Index vectors, float *to, Index to_step) {
    Lanes sum[WINDOWS_AT_ONCE][2];
    for (Index i = 0; i < count; i++)
        for (Index v = 0; v < vectors; v++) sum[i][v] = (Lanes){0};
    for (int second = 0; second < 2; second++, x += row, filters += filter)
        for (Index t = begin; t < end; t++)
            for (Index v = 0; v < vectors; v++) {
                const Lanes weight = load(filters + t * step + v * LANES);
                for (Index i = 0; i < count; i++) sum[i][v] += weight * x[i * before + t];
            }
    for (Index i = 0; i < count; i++)
        for (Index v = 0; v < vectors; v++) store(to + i * to_step + v * LANES, sum[i][v]);
}

/* The folded windows of a layer, to (kept + m - 1, D, F filled up), from the values under it. */
INLINE void convolve_rows(const float *x, const float *filters, Index kept, Index dimension, Index size, Index before,
                          Index maps, float *to) {
    const Index step = whole(maps), taps = size * before, row = (kept + size - 1) * before, half = dimension / 2;
    const Index windows = kept + size - 1, filter = taps * step;
    for (Index d = 0; d < half; d++, x += 2 * row, filters += 2 * filter)
        for (Index w = 0; w < windows; w += WINDOWS_AT_ONCE) {
            const Index count = windows - w < WINDOWS_AT_ONCE ? windows - w : WINDOWS_AT_ONCE;
            /* Slots in the zeros around are left out. */
            const Index first = size - w - count > 0 ? size - w - count : 0;
            const Index last = kept + size - 1 - w < size ? kept + size - 1 - w : size;
            Index f = 0;
#define TAPS(count, vectors)                                                                                          \
    add_taps(x + w * before, row, before, filters + f, filter, step, first * before, last * before, count, vectors,   \
             to + (w * half + d) * step + f, half * step)
            for (; f + 2 * LANES <= step; f += 2 * LANES)
                if (count == 4) TAPS(4, 2);
                else if (count == 3) TAPS(3, 2);
                else if (count == 2) TAPS(2, 2);
                else TAPS(1, 2);
            if (f == step) continue;
            if (count == 4) TAPS(4, 1);
            else if (count == 3) TAPS(3, 1);
            else if (count == 2) TAPS(2, 1);
            else TAPS(1, 1);
#undef TAPS
        }
}

/* Dynamic k-max pooling, bias and tanh of layer `layer`, from its windows in work->pool.x: to the values under the next
   layer, or the features (k, F, D) of the last. places is NULL or gets the windows kept, (k, F, D). */
INLINE void keep_largest(const RowLayers *a, Index layer, Index count, Index kept, const float *bias,
                         const RowWork *work, float *to, int32_t *places) {
    const Index maps = a->maps[layer - 1], rows = a->dimension >> layer, width = maps * rows, last = layer == a->layers;
    /* Where a map's number of a row is among a window's. */
    const Index by_map = layer == 1 ? rows : 1, by_row = layer == 1 ? 1 : whole(maps);
    const Index step = layer == 1 ? whole(width) : rows * by_row;
    const Index margin = last ? 0 : (a->sizes[layer] - 1) * maps;
    const Index to_step = last ? width : maps, to_map = last ? rows : 1, to_row = last ? 1 : kept * maps + margin;
    const Index numbers = last ? kept * width : values_under(a, layer + 1, kept);
    mark_largest(work->pool.x, count, step, kept, &work->pool);
    memset(to, 0, (size_t)numbers * sizeof(float));
    for (Index f = 0; f < maps; f++)
        for (Index d = 0; d < rows; d++)
            take_largest(work->pool.x, count, step, f * by_map + d * by_row, kept, &work->pool, bias[f * rows + d],
                         to + margin + f * to_map + d * to_row, to_step, places ? places + f * rows + d : NULL, width);
    squash(to, numbers);
}

/* All layers of a text of one word or more: its features (kept, F, D), and what is kept before them. `table` has rows
   of `stride` numbers in each of the m slots; filters are padded. */
INLINE void text_layers(const RowLayers *a, const float *table, Index stride, const float *filters,
                        const int32_t *text, Index length, const RowWork *work, float *values, int32_t *places,
                        float *features, Index *features_kept) {
    const Index size = a->sizes[0], width = a->maps[0] * (a->dimension / 2);
    const Table first = {.numbers = table, .slots = size, .maps = stride};
    const float *bias = a->biases;
    Index count = length + size - 1;
    for (Index w = 0; w < count; w++) {
        float *to = work->pool.x + w * whole(width);
        find_rows(work->pool.rows, &first, text, length, w - (size - 1), size, 0, work->pool.zeros);
#define ADD(size) add_window(to, work->pool.rows, size, stride)
        BY_SIZE(size, ADD)
#undef ADD
    }
    for (Index layer = 1;; layer++) {
        const Index kept = kept_of(a, length, layer, count), maps = a->maps[layer - 1], rows = a->dimension >> layer;
        const Index last = layer == a->layers;
        keep_largest(a, layer, count, kept, bias, work, last ? features : values, places);
        *features_kept = kept;
        if (last) return;
        const Index next = a->maps[layer], next_size = a->sizes[layer];
        convolve_rows(values, filters, kept, rows, next_size, maps, next, work->pool.x);
        filters += rows * next_size * maps * whole(next);
        values += values_under(a, layer + 1, kept);
        bias += maps * rows;
        if (places) places += kept * maps * rows;
        count = kept + next_size - 1;
    }
}

/* The DCNN's logits. */
STATIC void row_logits(const RowLogits *a, Index begin, Index end, const float *padded, const RowWork *work) {
    const RowLayers *layers = &a->layers;
    const int32_t *ids = a->texts.ids;
    const int64_t *offsets = a->texts.offsets;
    const Index width = layers->maps[0] * (layers->dimension / 2);
    const Index last = layers->maps[layers->layers - 1] * (layers->dimension >> layers->layers);
    for (Index b = begin; b < end; b++) {
        const Index length = (Index)(offsets[b + 1] - offsets[b]);
        Index kept = 0;
        if (b + 1 < end)
            fetch_rows(a->table, sizeof(float), ids + offsets[b + 1], offsets[b + 2] - offsets[b + 1],
                       layers->sizes[0] * width);
        if (length)
            text_layers(layers, a->table, width, padded, ids + offsets[b], length, work, work->values, NULL,
                        work->features, &kept);
        for (Index k = 0; k < a->classes; k++)
            a->logits[b * a->classes + k] =
                dot(work->features, a->weights + k * layers->k_top * last, kept * last) + a->weights_bias[k];
    }
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

/* The first layer's filters (C, m, F, D) of even and of odd rows, (C, 2, m, step); the last slot first, as it is the
   one of a word's first window. */
STATIC void halve_filters(const RowTraining *a) {
    const Index size = a->layers.sizes[0], width = a->layers.maps[0] * (a->layers.dimension / 2), step = whole(width);
    for (Index c = 0; c < a->channels; c++)
        for (Index j = 0; j < size; j++)
            for (Index half = 0; half < 2; half++) {
                const float *from = a->first + (c * size + j) * 2 * width + half;
                float *to = a->halves + ((c * 2 + half) * size + size - 1 - j) * step;
                for (Index x = 0; x < width; x++) to[x] = from[2 * x];
                memset(to + width, 0, (size_t)(step - width) * sizeof(float));
            }
}

/* A word's even and odd rows, once for each map: (2 C, step). */
INLINE void repeat_word(const RowTraining *a, Index word, float *to) {
    const Index half = a->layers.dimension / 2, width = a->layers.maps[0] * half, step = whole(width);
    for (Index c = 0; c < 2 * a->channels; c++, to += step) {
        const float *from = a->words + (word * a->channels + c / 2) * 2 * half + c % 2;
        for (Index d = 0; d < half; d++) to[d] = from[2 * d];
        for (Index x = half; x < width; x += half) memcpy(to + x, to, (size_t)half * sizeof(float));
        memset(to + width, 0, (size_t)(step - width) * sizeof(float));
    }
}

/* The folded first layer of the words from `begin` to `end`. Scratch: row (2 C, step). */
STATIC void project_words(const RowTraining *a, Index begin, Index end, float *row) {
    const Index size = a->layers.sizes[0], step = whole(a->layers.maps[0] * (a->layers.dimension / 2));
    for (Index word = begin; word < end; word++) {
        repeat_word(a, word, row);
        for (Index j = 0; j < size; j++) {
            float *to = a->table + (word * size + j) * step;
            for (Index x = 0; x < step; x += LANES) {
                Lanes sum = {0};
                for (Index c = 0; c < 2 * a->channels; c++)
                    sum += load(row + c * step + x) * load(a->halves + (c * size + size - 1 - j) * step + x);
                store(to + x, sum);
            }
        }
    }
}

STATIC void row_layers(const RowTraining *a, Index begin, Index end, const RowWork *work) {
    const RowLayers *layers = &a->layers;
    const int64_t *offsets = a->texts.offsets;
    const Index last = layers->maps[layers->layers - 1] * (layers->dimension >> layers->layers);
    const Index stride = whole(layers->maps[0] * (layers->dimension / 2));
    for (Index b = begin; b < end; b++) {
        const Index length = (Index)(offsets[b + 1] - offsets[b]);
        float *features = a->features + b * layers->k_top * last;
        Index kept = 0;
        if (length)
            text_layers(layers, a->table, stride, a->padded, a->texts.ids + offsets[b], length, work,
                        a->values + a->values_at[b], a->places + a->places_at[b], features, &kept);
        memset(features + kept * last, 0, (size_t)((layers->k_top - kept) * last) * sizeof(float));
    }
}

/* ---- gradients --------------------------------------------------------------------------------------------------- */

/* The filters (D, m F', F) of each layer after the first as (F, D, m F' filled up to whole registers). */
STATIC void turn_filters(const RowLayers *a, float *to) {
    const float *from = a->filters;
    for (Index layer = 2; layer <= a->layers; layer++) {
        const Index maps = a->maps[layer - 1], rows = a->dimension >> (layer - 1);
        const Index taps = a->sizes[layer - 1] * a->maps[layer - 2], step = whole(taps);
        for (Index f = 0; f < maps; f++)
            for (Index d = 0; d < rows; d++, to += step) {
                for (Index t = 0; t < taps; t++) to[t] = from[(d * taps + t) * maps + f];
                memset(to + taps, 0, (size_t)(step - taps) * sizeof(float));
            }
        from += rows * taps * maps;
    }
}

/* The gradient of one number of a window: to the `taps` values and filters that it is the product of. */
INLINE void add_window_back(float grad, const float *x, const float *filter, Index taps, float *__restrict__ x_grad,
                            float *__restrict__ filter_grad) {
    for (Index t = 0; t < taps; t += LANES) {
        store(x_grad + t, load(x_grad + t) + load(filter + t) * grad);
        store(filter_grad + t, load(filter_grad + t) + load(x + t) * grad);
    }
}

/* Through the convolution of `layer`, from the gradient of the `kept` windows that its pooling keeps, in work->grad, to
   that of the `below` values of the layer under it, before their tanh, in the same place. Filters are turned. */
INLINE void convolve_rows_back(const RowLayers *a, Index layer, Index kept, Index below, const float *values,
                               const int32_t *places, const float *filters, const RowWork *work, float *filters_grad) {
    const Index maps = a->maps[layer - 1], rows = a->dimension >> (layer - 1), width = maps * rows / 2;
    const Index before = a->maps[layer - 2], margin = (a->sizes[layer - 1] - 1) * before;
    const Index step = whole(a->sizes[layer - 1] * before), row = below * before + margin;
    float *const grad = work->grad, *const values_grad = work->values_grad;
    memset(values_grad, 0, (size_t)(values_under(a, layer, below) + LANES) * sizeof(float));
    for (Index f = 0; f < maps; f++, filters += rows * step, filters_grad += rows * step)
        for (Index i = 0; i < kept; i++) {
            const float *of_map = grad + i * width + f * rows / 2;
            const int32_t *of_places = places + i * width + f * rows / 2;
            Index used = 0; /* dropout leaves many without a gradient */
            for (Index d = 0; d < rows / 2; d++) work->rows[used] = (int32_t)d, used += of_map[d] != 0;
            for (Index n = 0; n < 2 * used; n++) { /* rows in turn: the next touches other numbers */
                const Index half = work->rows[n / 2], d = 2 * half + n % 2, at = d * row + of_places[half] * before;
                add_window_back(of_map[half], values + at, filters + d * step, step, values_grad + at,
                                filters_grad + d * step);
            }
        }
    for (Index d = 0; d < rows; d++)
        for (Index i = 0; i < below; i++)
            for (Index f = 0; f < before; f++) {
                const Index at = margin + d * row + i * before + f;
                grad[(i * before + f) * rows + d] = values_grad[at] * (1 - values[at] * values[at]);
            }
}

/* Of one text; `sums` has the gradients of the filters, turned, and of the biases, added to. */
INLINE void text_layers_back(const RowTraining *a, Index b, const RowWork *work, float *sums) {
    const RowLayers *layers = &a->layers;
    const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]), count = layers->layers;
    const int32_t *maps = layers->maps, *sizes = layers->sizes;
    /* Of each layer: windows kept, where its filters and biases are, the values under it, and its places. */
    Index kept[MOST_LAYERS + 1], filters[MOST_LAYERS + 2] = {0}, biases[MOST_LAYERS + 2] = {0};
    Index values[MOST_LAYERS + 2], places[MOST_LAYERS + 2], windows = length + sizes[0] - 1;
    values[1] = values[2] = (Index)a->values_at[b], places[1] = (Index)a->places_at[b];
    for (Index layer = 1; layer <= count; layer++) {
        const Index width = maps[layer - 1] * (layers->dimension >> layer);
        kept[layer] = kept_of(layers, length, layer, windows);
        places[layer + 1] = places[layer] + kept[layer] * width;
        biases[layer + 1] = biases[layer] + width;
        if (layer > 1) {
            filters[layer + 1] = filters[layer] + 2 * width * whole(sizes[layer - 1] * maps[layer - 2]);
            values[layer + 1] = values[layer] + values_under(layers, layer, kept[layer - 1]);
        }
        if (layer < count) windows = kept[layer] + sizes[layer] - 1;
    }
    const Index last = maps[count - 1] * (layers->dimension >> count);
    const float *from = a->grad + b * layers->k_top * last, *features = a->features + b * layers->k_top * last;
    float *const grad = work->grad;
    for (Index x = 0; x < kept[count] * last; x++) grad[x] = from[x] * (1 - features[x] * features[x]);
    for (Index layer = count;; layer--) {
        const Index width = maps[layer - 1] * (layers->dimension >> layer);
        float *biases_grad = sums + layers->padded + biases[layer];
        for (Index i = 0; i < kept[layer]; i++)
            for (Index x = 0; x < width; x++) biases_grad[x] += grad[i * width + x];
        if (layer == 1) break;
        convolve_rows_back(layers, layer, kept[layer], kept[layer - 1], a->values + values[layer],
                           a->places + places[layer], a->padded + filters[layer], work, sums + filters[layer]);
    }
    const Index width = maps[0] * (layers->dimension / 2), step = whole(width);
    float *to = a->windows_grad + (a->texts.offsets[b] - a->texts.offsets[0] + b * (sizes[0] - 1)) * step;
    const int32_t *of_places = a->places + places[1];
    memset(to, 0, (size_t)((length + sizes[0] - 1) * step) * sizeof(float));
    for (Index i = 0; i < kept[1]; i++)
        for (Index x = 0; x < width; x++) to[of_places[i * width + x] * step + x] = grad[i * width + x];
}

/* Texts, in the blocks from `begin` to `end`. */
STATIC void row_layers_back(const RowTraining *a, Index begin, Index end, const RowWork *work) {
    const Index numbers = a->layers.padded + a->layers.biases_count;
    for (Index block = begin; block < end; block++) {
        float *sums = a->sums + block * numbers;
        memset(sums, 0, (size_t)numbers * sizeof(float));
        for (Index b = a->texts.count * block / a->blocks; b < a->texts.count * (block + 1) / a->blocks; b++)
            if (a->texts.offsets[b + 1] > a->texts.offsets[b]) text_layers_back(a, b, work, sums);
    }
}

/* Words, in the blocks from `begin` to `end`: what their windows' gradients add to each, and to the first layer.
   Scratch: repeated (2 C + m, step). */
STATIC void words_back(const RowTraining *a, Index begin, Index end, float *repeated) {
    const Index size = a->layers.sizes[0], maps = a->layers.maps[0], half = a->layers.dimension / 2;
    const Index step = whole(maps * half), halves = 2 * a->channels, slots = size * step;
    float *const grad = repeated + halves * step; /* (m, step) of one word, the last slot first */
    for (Index block = begin; block < end; block++) {
        float *sums = a->sums + block * halves * slots;
        memset(sums, 0, (size_t)(halves * slots) * sizeof(float));
        for (Index word = a->distinct * block / a->blocks; word < a->distinct * (block + 1) / a->blocks; word++) {
            float *to = a->words_grad + word * halves * half;
            memset(grad, 0, (size_t)slots * sizeof(float));
            for (int64_t i = a->starts[word]; i < a->starts[word + 1]; i++) {
                const float *from = a->windows_grad + a->used[i] * step;
                for (Index x = 0; x < slots; x += LANES) store(grad + x, load(grad + x) + load(from + x));
            }
            repeat_word(a, word, repeated);
            for (Index c = 0; c < halves; c++) {
                float *row = repeated + c * step, *filters_grad = sums + c * slots;
                const float *filters = a->halves + c * slots;
                for (Index x = 0; x < step; x += LANES) {
                    const Lanes number = load(row + x);
                    Lanes sum = {0};
                    for (Index j = x; j < slots; j += step) {
                        const Lanes part = load(grad + j);
                        sum += part * load(filters + j);
                        store(filters_grad + j, load(filters_grad + j) + part * number);
                    }
                    store(row + x, sum);
                }
                for (Index d = 0; d < half; d++) {
                    float sum = 0;
                    for (Index f = 0; f < maps; f++) sum += row[f * half + d];
                    to[c / 2 * 2 * half + 2 * d + c % 2] = sum;
                }
            }
        }
    }
}

/* Add up the blocks' gradients of filters and biases, in their order. */
STATIC void sum_filters(const RowTraining *a) {
    const RowLayers *layers = &a->layers;
    const Index numbers = layers->padded + layers->biases_count;
    float *const sum = a->sums;
    for (Index block = 1; block < a->blocks; block++) {
        const float *from = a->sums + block * numbers;
        for (Index x = 0; x < numbers; x++) sum[x] += from[x];
    }
    memcpy(a->biases_grad, sum + layers->padded, (size_t)layers->biases_count * sizeof(float));
    const float *from = sum;
    float *to = a->filters_grad;
    for (Index layer = 2; layer <= layers->layers; layer++) {
        const Index maps = layers->maps[layer - 1], rows = layers->dimension >> (layer - 1);
        const Index taps = layers->sizes[layer - 1] * layers->maps[layer - 2], step = whole(taps);
        for (Index d = 0; d < rows; d++)
            for (Index t = 0; t < taps; t++, to += maps)
                for (Index f = 0; f < maps; f++) to[f] = from[(f * rows + d) * step + t];
        from += maps * rows * step;
    }
}

/* Add up the blocks' gradients of the first layer, in their order. */
STATIC void sum_halves(const RowTraining *a) {
    const Index size = a->layers.sizes[0], width = a->layers.maps[0] * (a->layers.dimension / 2), step = whole(width);
    const Index numbers = 2 * a->channels * size * step;
    float *const sum = a->sums;
    for (Index block = 1; block < a->blocks; block++) {
        const float *from = a->sums + block * numbers;
        for (Index x = 0; x < numbers; x++) sum[x] += from[x];
    }
    for (Index c = 0; c < a->channels; c++)
        for (Index j = 0; j < size; j++)
            for (Index half = 0; half < 2; half++) {
                float *to = a->first_grad + (c * size + j) * 2 * width + half;
                const float *from = sum + ((c * 2 + half) * size + size - 1 - j) * step;
                for (Index x = 0; x < width; x++) to[2 * x] = from[x];
            }
}
