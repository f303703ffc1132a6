/* The inner loops over look-up tables and pooled positions (`_loops.h`) as functions of Python, on flat arrays.

   Nothing here knows numpy or torch: arguments are buffers, and `textcnn/kernels/__init__.py` sees to their types and
   shapes. The work is done without the interpreter's lock, in shares (a range of texts, of feature maps or of rows)
   which never write to the same number: a result has the same bits whatever the number of threads. */

#if defined(__linux__)
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include <dlfcn.h>
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed within this file only */

#define MOST_BLOCKS 8   /* sums of LANES numbers that fit into the registers */
#define BLOCKS_AT_ONCE 3 /* the same, where two sums are taken and more is in the registers */
#define CACHE_LINE 16   /* numbers in a line of the cache */
#define MOST_FETCHED 64 /* words of a text that are asked for ahead */

typedef Py_ssize_t Index;

#define PASTE(name, suffix) name##_##suffix
#define PASTE_EXPANDED(name, suffix) PASTE(name, suffix)
#define FOR_PROCESSOR(name) PASTE_EXPANDED(name, PROCESSOR)

#define PROCESSOR plain
#define TARGET
#define LANES 4
#include "_loops.h"

#if defined(__x86_64__)
#undef PROCESSOR
#undef TARGET
#undef LANES
#define PROCESSOR avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#include "_loops.h"

#undef PROCESSOR
#undef TARGET
#undef LANES
#define PROCESSOR avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")))
#define LANES 16
#include "_loops.h"
#endif

/* The loops of the processor at hand. */
#define LOOPS(use)                                                                                                    \
    use(max_windows) use(max_logits) use(row_logits) use(sparse_gradient) use(sparse_product) use(sum_windows)        \
        use(sum_windows_back) use(k_max) use(k_max_back) use(row_convolution) use(row_convolution_back_x)             \
            use(row_convolution_back_filters) use(settle_adam) use(step_adam) use(step_adadelta)

#define MEMBER(name) __typeof__(name) *name##_loop;
#define CHOOSE_PLAIN(name) loops.name##_loop = name##_plain;
#define CHOOSE_AVX2(name) loops.name##_loop = name##_avx2;
#define CHOOSE_AVX512(name) loops.name##_loop = name##_avx512;

static struct { LOOPS(MEMBER) } loops;

static void choose_loops(void) {
    LOOPS(CHOOSE_PLAIN)
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        LOOPS(CHOOSE_AVX2)
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) {
            LOOPS(CHOOSE_AVX512)
        }
    }
#endif
}

/* ---- threads ---------------------------------------------------------------------------------------------------- */

/* The work is shared among the threads that torch keeps for its own loops, where they are those of GNU's OpenMP:
   threads of ours would wait for the same processors. Without them a call does all its work by itself. */

typedef void (*Parallel)(void (*run)(void *), void *data, unsigned threads, unsigned flags);

typedef struct Call Call;
typedef void (*Share)(Call *call, Index begin, Index end);

static Parallel find_parallel(int (**number)(void), int (**count)(void)) {
#if defined(__linux__)
    *number = (int (*)(void))dlsym(RTLD_DEFAULT, "omp_get_thread_num");
    *count = (int (*)(void))dlsym(RTLD_DEFAULT, "omp_get_num_threads");
    Parallel parallel = (Parallel)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    return *number && *count ? parallel : NULL;
#else
    (void)number, (void)count;
    return NULL;
#endif
}

#define MOST_BUFFERS 11
#define MOST_NUMBERS 9
#define MOST_SHARES 64
#define SMALL 30000 /* numbers: less is done before other threads are at work */

/* A call from Python: its buffers and whole numbers, and how the work is shared. */
struct Call {
    Py_buffer views[MOST_BUFFERS];
    int taken;
    Index n[MOST_NUMBERS];
    Share share;
    Index edges[MOST_SHARES + 1], shares;
    int (*number)(void), (*count)(void);
    int out_of_memory;
};

/* The address of a buffer, NULL for an empty one. */
static void *at(Call *call, int i) { return call->views[i].len ? call->views[i].buf : NULL; }

static void run_shares(void *data) {
    Call *call = data;
    for (Index i = call->number(); i < call->shares; i += call->count())
        call->share(call, call->edges[i], call->edges[i + 1]);
}

/* Share `count` items among threads, as many in each share or, where there are offsets, as many of theirs. */
static void run(Call *call, Share share, Index count, const int64_t *offsets, Index threads, double numbers) {
    Parallel parallel = threads > 1 && count > 1 && numbers > SMALL ? find_parallel(&call->number, &call->count) : NULL;
    if (!parallel) {
        share(call, 0, count);
        return;
    }
    call->shares = threads < count ? threads : count;
    if (call->shares > MOST_SHARES) call->shares = MOST_SHARES;
    for (Index i = 0, item = 0; i <= call->shares; i++) {
        if (!offsets || i == call->shares) item = count * i / call->shares;
        else {
            int64_t wanted = offsets[0] + (offsets[count] - offsets[0]) * i / call->shares;
            while (offsets[item] < wanted) item++;
        }
        call->edges[i] = item;
    }
    call->share = share;
    parallel(run_shares, call, (unsigned)threads, 0);
}

/* ---- from Python ------------------------------------------------------------------------------------------------ */

/* Contiguous buffers from the first arguments, the last `writable` of them to write to; whole numbers from the rest. */
static int take(Call *call, PyObject *const *args, Py_ssize_t given, int buffers, int writable, int numbers) {
    call->taken = call->out_of_memory = 0;
    if (given != buffers + numbers) {
        PyErr_Format(PyExc_TypeError, "expected %d arguments, found %zd", buffers + numbers, given);
        return 0;
    }
    for (; call->taken < buffers; call->taken++) {
        int flags = PyBUF_C_CONTIGUOUS | (call->taken < buffers - writable ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(args[call->taken], &call->views[call->taken], flags)) break;
    }
    for (int i = 0; i < numbers && !PyErr_Occurred(); i++) call->n[i] = PyLong_AsSsize_t(args[buffers + i]);
    if (!PyErr_Occurred()) return 1;
    while (call->taken) PyBuffer_Release(&call->views[--call->taken]);
    return 0;
}

static PyObject *finish(Call *call) {
    while (call->taken) PyBuffer_Release(&call->views[--call->taken]);
    if (call->out_of_memory) return PyErr_NoMemory();
    Py_RETURN_NONE;
}

/* Scratch memory of up to three parts, the second and third filled with zeros; freed with free(). */
static void *scratch(Call *call, size_t a, size_t b, size_t c, void **second, void **third) {
    size_t first = (a + 63) & ~(size_t)63, next = (b + 63) & ~(size_t)63;
    char *memory = malloc(first + next + c + 64);
    if (!memory) {
        call->out_of_memory = 1;
        return NULL;
    }
    *second = memory + first;
    *third = memory + first + next;
    memset(*second, 0, next + c);
    return memory;
}

/* name(ARGUMENTS): takes the arguments and does the statement without the interpreter's lock. */
#define FUNCTION(name, buffers, writable, numbers, statement)                                                         \
    static PyObject *py_##name(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t given) {                  \
        Call this, *call = &this;                                                                                     \
        if (!take(call, args, given, buffers, writable, numbers)) return NULL;                                        \
        const Index *n = call->n;                                                                                     \
        (void)n;                                                                                                      \
        Py_BEGIN_ALLOW_THREADS;                                                                                       \
        statement;                                                                                                    \
        Py_END_ALLOW_THREADS;                                                                                         \
        return finish(call);                                                                                          \
    }

/* table, ids, offsets, sizes, best, where; regions, slots, maps, wide, texts, threads */
static void share_max_windows(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *zeros, *none;
    void *rows = scratch(call, n[1] * sizeof(float *), n[2] * sizeof(float), 0, &zeros, &none);
    if (!rows) return;
    loops.max_windows_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), n[0], n[1], n[2], (int)n[3], at(call, 4),
                           at(call, 5), begin, end, rows, zeros);
    free(rows);
}

FUNCTION(max_windows, 6, 2, 6,
         run(call, share_max_windows, n[4], at(call, 2), n[5], (double)call->views[1].len * n[1] * n[2]))

/* table, ids, offsets, sizes, bias, weights, weights_bias, logits; regions, slots, maps, wide, activation, classes,
   texts */
static void share_max_logits(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *zeros, *features;
    void *rows = scratch(call, n[1] * sizeof(float *), n[2] * sizeof(float), n[0] * n[2] * sizeof(float), &zeros,
                         &features);
    if (!rows) return;
    loops.max_logits_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), n[0], n[1], n[2], (int)n[3], at(call, 4),
                          (int)n[4], at(call, 5), at(call, 6), n[5], at(call, 7), begin, end, rows, zeros, features);
    free(rows);
}

FUNCTION(max_logits, 8, 1, 7, share_max_logits(call, 0, n[6]))

/* table, ids, offsets, sizes, maps, biases, filters, weights, weights_bias, logits; layers, dimension, k_top, classes,
   texts */
static void share_row_logits(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    const int64_t *offsets = at(call, 2);
    const int32_t *sizes = at(call, 3), *maps = at(call, 4);
    Index positions = 0, widest = n[1], largest = 0;
    for (Index b = begin; b < end; b++)
        if (offsets[b + 1] - offsets[b] > positions) positions = (Index)(offsets[b + 1] - offsets[b]);
    positions += n[2];
    for (Index layer = 0; layer < n[0]; layer++) {
        positions += sizes[layer];
        if (sizes[layer] > largest) largest = sizes[layer];
        if (maps[layer] * (n[1] >> (layer + 1)) > widest) widest = maps[layer] * (n[1] >> (layer + 1));
    }
    size_t room = (size_t)(positions + 1) * widest;
    void *zeros, *numbers;
    const float **window = scratch(call, largest * sizeof(float *), widest * sizeof(float),
                                   (4 * room + 3 * widest) * sizeof(float), &zeros, &numbers);
    if (!window) return;
    float *x = numbers;
    loops.row_logits_loop(at(call, 0), at(call, 1), offsets, sizes, maps, n[0], n[1], n[2], at(call, 5), at(call, 6),
                          at(call, 7), at(call, 8), n[3], at(call, 9), begin, end, window, zeros, x, x + room,
                          x + 2 * room, x + 3 * room, (int32_t *)(x + 4 * room), widest);
    free(window);
}

FUNCTION(row_logits, 10, 1, 5, share_row_logits(call, 0, n[4]))

/* grad, where, ids, offsets, sizes, and by filter and by word: starts, columns, values; regions, maps, texts, filters'
   slots, words (0: by filter alone), threads */
static void share_sparse_gradient(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    for (Index by_word = begin; by_word < end; by_word++) {
        Index rows = n[3 + by_word], first = 5 + 3 * by_word;
        void *none;
        int64_t *next = scratch(call, (rows + 1) * sizeof(int64_t), 0, 0, &none, &none);
        if (!next) return;
        loops.sparse_gradient_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), at(call, 4), n[0], n[1], n[2],
                                   rows, (int)by_word, at(call, first), at(call, first + 1), at(call, first + 2), next);
        free(next);
    }
}

FUNCTION(sparse_gradient, 11, 6, 6,
         run(call, share_sparse_gradient, n[4] ? 2 : 1, NULL, n[5], (double)call->views[0].len))

/* starts, columns, values, rows, out; dimension, rows of the result, threads */
static void share_sparse_product(Call *call, Index begin, Index end) {
    loops.sparse_product_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), call->n[0], at(call, 4), begin, end);
}

FUNCTION(sparse_product, 5, 1, 3,
         run(call, share_sparse_product, n[1], at(call, 0), n[2], (double)call->views[1].len * n[0]))

/* table, ids, offsets, out; size, slot, slots, maps, wide, positions, texts, threads */
static void share_sum_windows(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *zeros, *none;
    void *rows = scratch(call, n[0] * sizeof(float *), n[3] * sizeof(float), 0, &zeros, &none);
    if (!rows) return;
    loops.sum_windows_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], (int)n[4], n[5], at(call, 3),
                           begin, end, rows, zeros);
    free(rows);
}

FUNCTION(sum_windows, 4, 1, 8,
         run(call, share_sum_windows, n[6], at(call, 2), n[7], (double)call->views[3].len * n[0]))

/* grad, ids, offsets, table_grad; size, slot, slots, maps, wide, positions, texts, threads */
static void share_sum_windows_back(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    loops.sum_windows_back_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], (int)n[4], n[5], n[6],
                                at(call, 3), begin, end);
}

FUNCTION(sum_windows_back, 4, 1, 8,
         run(call, share_sum_windows_back, n[3], NULL, n[7], (double)call->views[0].len * n[0]))

/* x, counts, ks, values, where; positions, maps, most, texts, threads */
static void share_k_max(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *rows, *chosen;
    size_t pooled = (n[2] + 1) * n[1];
    float *sorted = scratch(call, n[0] * n[1] * sizeof(float), 3 * n[1] * sizeof(int32_t),
                            2 * pooled * sizeof(float), &rows, &chosen);
    if (!sorted) return;
    int32_t *spare = rows;
    loops.k_max_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], at(call, 3), at(call, 4), begin, end,
                     sorted, spare, spare + n[1], spare + 2 * n[1], chosen, (int32_t *)chosen + pooled);
    free(sorted);
}

FUNCTION(k_max, 5, 2, 5, run(call, share_k_max, n[3], NULL, n[4], (double)call->views[0].len * 8))

/* grad, where, x_grad; positions, maps, most, texts, threads */
static void share_k_max_back(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    loops.k_max_back_loop(at(call, 0), at(call, 1), n[0], n[1], n[2], at(call, 2), begin, end);
}

FUNCTION(k_max_back, 3, 1, 5, run(call, share_k_max_back, n[3], NULL, n[4], (double)call->views[2].len))

/* x, counts, filters, out; positions, maps before, maps, size, dimension, texts, threads */
static void share_row_convolution(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *none;
    float *sum = scratch(call, 2 * n[4] * sizeof(float), 0, 0, &none, &none);
    if (!sum) return;
    loops.row_convolution_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], n[4], at(call, 3), begin,
                               end, sum);
    free(sum);
}

FUNCTION(row_convolution, 4, 1, 7,
         run(call, share_row_convolution, n[5], NULL, n[6], (double)call->views[3].len * n[1] * n[3]))

/* grad, counts, filters, x_grad; as above */
static void share_row_convolution_back_x(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *none;
    float *wide = scratch(call, (n[0] + n[3] - 1) * n[2] * n[4] * sizeof(float), 0, 0, &none, &none);
    if (!wide) return;
    loops.row_convolution_back_x_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], n[4], at(call, 3),
                                      begin, end, wide);
    free(wide);
}

FUNCTION(row_convolution_back_x, 4, 1, 7,
         run(call, share_row_convolution_back_x, n[5], NULL, n[6], (double)call->views[0].len * n[1] * n[3]))

/* grad, x, counts, filters_grad; texts, positions, maps before, maps, size, dimension, threads */
static void share_row_convolution_back_filters(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *none;
    float *wide = scratch(call, (n[1] + n[4] - 1) * n[5] * sizeof(float), 0, 0, &none, &none);
    if (!wide) return;
    loops.row_convolution_back_filters_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], n[4], n[5],
                                            at(call, 3), begin, end, wide);
    free(wide);
}

FUNCTION(row_convolution_back_filters, 4, 1, 7,
         run(call, share_row_convolution_back_filters, n[3], NULL, n[6], (double)call->views[0].len * n[2] * n[4]))

/* words, owed, constants (epsilon, beta1, beta2), table, first, second, last; dimension, rows, steps, threads */
static void share_settle_adam(Call *call, Index begin, Index end) {
    const double *constants = at(call, 2);
    loops.settle_adam_loop(at(call, 3), at(call, 4), at(call, 5), at(call, 6), at(call, 0), at(call, 1), constants[0],
                           constants[1], constants[2], call->n[2], call->n[0], begin, end);
}

FUNCTION(settle_adam, 7, 4, 4, run(call, share_settle_adam, n[1], NULL, n[3], (double)n[0] * n[1] * 4))

/* words, grad, constants (rate, epsilon, beta1, beta2), table, first, second, last; dimension, rows, steps, threads */
static void share_step_adam(Call *call, Index begin, Index end) {
    const double *constants = at(call, 2);
    loops.step_adam_loop(at(call, 3), at(call, 4), at(call, 5), at(call, 6), at(call, 0), at(call, 1),
                         (float)constants[0], (float)constants[1], (float)constants[2], (float)constants[3],
                         call->n[2], call->n[0], begin, end);
}

FUNCTION(step_adam, 7, 4, 4, run(call, share_step_adam, n[1], NULL, n[3], (double)n[0] * n[1] * 4))

/* words, grad, constants (rate, epsilon, rho), table, square, moved, last; dimension, rows, steps, threads */
static void share_step_adadelta(Call *call, Index begin, Index end) {
    const double *constants = at(call, 2);
    loops.step_adadelta_loop(at(call, 3), at(call, 4), at(call, 5), at(call, 6), at(call, 0), at(call, 1),
                             (float)constants[0], (float)constants[1], constants[2], call->n[2], call->n[0], begin,
                             end);
}

FUNCTION(step_adadelta, 7, 4, 4, run(call, share_step_adadelta, n[1], NULL, n[3], (double)n[0] * n[1] * 4))

/* ids, numbers of the words found so far (V, zeros before and after), words, places; ids in all: the distinct ids in
   the order of their first place, and which of them stands at each place. Returns how many there are. */
static PyObject *py_number_words(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t given) {
    Call this, *call = &this;
    if (!take(call, args, given, 4, 3, 1)) return NULL;
    const int32_t *ids = at(call, 0);
    int32_t *numbers = at(call, 1), *places = at(call, 3);
    int64_t *words = at(call, 2);
    Index found = 0;
    for (Index i = 0; i < call->n[0]; i++) {
        int32_t *number = numbers + ids[i];
        if (!*number) {
            words[found++] = ids[i];
            *number = (int32_t)found;
        }
        places[i] = *number - 1;
    }
    for (Index i = 0; i < found; i++) numbers[words[i]] = 0;
    PyObject *done = finish(call);
    Py_XDECREF(done);
    return done ? PyLong_FromSsize_t(found) : NULL;
}

/* ---- texts to ids ----------------------------------------------------------------------------------------------- */

/* A vocabulary as a hash table: slots (a power of two of them) hold 1 + the number of a word, or 0. */
typedef struct {
    const int32_t *slots;
    size_t mask;
    const char *words;      /* one after the other */
    const int64_t *offsets; /* of each in them */
} Words;

#define HASH_START 14695981039346656037u /* Fowler, Noll and Vo's, 1a */
#define HASH_BYTE(hash, byte) (((hash) ^ (unsigned char)(byte)) * 1099511628211u)

static size_t slot_of(const Words *words, uint64_t hash, const char *token, size_t length) {
    for (size_t slot = (hash ^ hash >> 32) & words->mask;; slot = (slot + 1) & words->mask) {
        int32_t number = words->slots[slot];
        if (!number) return slot;
        const int64_t *offset = words->offsets + number - 1;
        if ((size_t)(offset[1] - offset[0]) == length && !memcmp(words->words + offset[0], token, length)) return slot;
    }
}

/* words, their offsets, slots (zeros); how many words: fills the slots. */
static void hash_words(Call *call) {
    int32_t *slots = at(call, 2);
    Words words = {slots, call->views[2].len / sizeof(int32_t) - 1, at(call, 0), at(call, 1)};
    for (Index i = 0; i < call->n[0]; i++) {
        const char *word = words.words + words.offsets[i];
        size_t length = (size_t)(words.offsets[i + 1] - words.offsets[i]);
        uint64_t hash = HASH_START;
        for (size_t j = 0; j < length; j++) hash = HASH_BYTE(hash, word[j]);
        slots[slot_of(&words, hash, word, length)] = (int32_t)(i + 1);
    }
}

FUNCTION(hash_words, 3, 1, 1, hash_words(call))

/* The code point at text[*i], which moves on behind it; one that is no character where the bytes are not UTF-8. */
static uint32_t next_character(const unsigned char *text, Index *i, Index length) {
    uint32_t first = text[(*i)++];
    if (first < 0x80) return first;
    if (first < 0xC2 || first > 0xF4) return UINT32_MAX;
    int more = first < 0xE0 ? 1 : first < 0xF0 ? 2 : 3;
    if (*i + more > length) return UINT32_MAX;
    uint32_t code = first & (0x3F >> more);
    while (more--) {
        uint32_t byte = text[(*i)++];
        if (byte >> 6 != 2) return UINT32_MAX;
        code = code << 6 | (byte & 0x3F);
    }
    return code;
}

static Index put_character(char *to, uint32_t code) {
    if (code < 0x80) return to[0] = (char)code, 1;
    if (code < 0x800) return to[0] = (char)(0xC0 | code >> 6), to[1] = (char)(0x80 | (code & 0x3F)), 2;
    to[0] = (char)(0xE0 | code >> 12);
    to[1] = (char)(0x80 | (code >> 6 & 0x3F));
    to[2] = (char)(0x80 | (code & 0x3F));
    return 3;
}

enum { SEPARATOR, SINGLE, WORD, APOSTROPHE, DIFFICULT }; /* what a character is to `encode` */

/* One text to ids, `limit` of them at most; their number, or -1 where a character is not among the easy ones. A token
   is a run of WORD with single APOSTROPHEs within, or any other character that is no SEPARATOR. token is scratch for
   the text's bytes in lower case. */
static Index encode_text(const unsigned char *text, Index length, const unsigned char *kinds, const uint32_t *lower,
                         uint32_t characters, const Words *words, Index limit, int32_t first_word, int32_t unknown,
                         int32_t *ids, char *token) {
    Index found = 0, size = 0, inner = 0; /* inner: bytes of an apostrophe at the token's end, which may belong to it */
    uint64_t hash = HASH_START, hash_before = HASH_START; /* before: without that apostrophe */
    for (Index i = 0;;) {
        int kind = SEPARATOR, single_apostrophe = 0;
        uint32_t code = 0;
        Index end = i < length;
        if (end) {
            code = next_character(text, &i, length);
            kind = code < characters ? kinds[code] : DIFFICULT;
            if (kind == DIFFICULT) return -1;
            code = lower[code];
        }
        if (kind == APOSTROPHE) {
            if (size && !inner) {
                hash_before = hash;
                inner = put_character(token + size, code);
                for (Index j = 0; j < inner; j++) hash = HASH_BYTE(hash, token[size + j]);
                size += inner;
                continue;
            }
            kind = SINGLE;
        }
        if (kind == WORD) {
            Index bytes = put_character(token + size, code);
            for (Index j = 0; j < bytes; j++) hash = HASH_BYTE(hash, token[size + j]);
            size += bytes;
            inner = 0;
            continue;
        }
        /* The token ends here, before an apostrophe that stands at its end and is a token of its own. */
        single_apostrophe = inner != 0;
        for (int part = 0; part < 3; part++) {
            char *start = token;
            Index bytes = 0;
            uint64_t part_hash = HASH_START;
            char other[4];
            if (part == 0) {
                bytes = size - inner;
                part_hash = single_apostrophe ? hash_before : hash;
            } else if (part == 1 && single_apostrophe) {
                start = token + size - inner;
                bytes = inner;
            } else if (part == 2 && kind == SINGLE) {
                start = other;
                bytes = put_character(other, code);
            }
            if (!bytes) continue;
            if (part) for (Index j = 0; j < bytes; j++) part_hash = HASH_BYTE(part_hash, start[j]);
            if (found == limit) continue;
            int32_t number = words->slots[slot_of(words, part_hash, start, (size_t)bytes)];
            ids[found++] = number ? number - 1 + first_word : unknown;
        }
        size = inner = 0;
        hash = HASH_START;
        if (!end) return found;
    }
}

/* data, offsets, kinds, lower, words, their offsets, slots, ids, counts; texts, limit, first word's id, unknown id.
   Ids of the texts that are easy, one text after the other; how many each has, -1 for the others, and all have. */
static void encode_texts(Call *call) {
    const Index *n = call->n;
    const unsigned char *data = at(call, 0);
    const int64_t *offsets = at(call, 1);
    Words words = {at(call, 6), call->views[6].len / sizeof(int32_t) - 1, at(call, 4), at(call, 5)};
    int32_t *ids = call->views[7].buf; /* may be empty */
    int64_t *counts = at(call, 8), longest = 0;
    for (Index b = 0; b < n[0]; b++)
        if (offsets[b + 1] - offsets[b] > longest) longest = offsets[b + 1] - offsets[b];
    void *none;
    char *token = scratch(call, 3 * (size_t)longest + 4, 0, 0, &none, &none);
    if (!token) return;
    for (Index b = 0; b < n[0]; b++) {
        counts[b] = encode_text(data + offsets[b], (Index)(offsets[b + 1] - offsets[b]), at(call, 2), at(call, 3),
                                (uint32_t)call->views[2].len, &words, n[1], (int32_t)n[2], (int32_t)n[3], ids, token);
        if (counts[b] > 0) ids += counts[b];
    }
    counts[n[0]] = ids - (int32_t *)call->views[7].buf;
    free(token);
}

FUNCTION(encode_texts, 9, 2, 4, encode_texts(call))

/* ---- n-grams ---------------------------------------------------------------------------------------------------- */

static size_t first_slot(size_t mask, int64_t key) {
    uint64_t hash = (uint64_t)key * 0x9E3779B97F4A7C15u; /* Knuth's multiplicative hash */
    return (hash ^ hash >> 32) & mask;
}

static size_t slot_of_key(const int32_t *slots, size_t mask, const int64_t *keys, int64_t key) {
    for (size_t slot = first_slot(mask, key);; slot = (slot + 1) & mask)
        if (!slots[slot] || keys[slots[slot] - 1] == key) return slot;
}

/* keys, slots (zeros, a power of two of them); how many keys: fills the slots with 1 + the number of a key. */
static void hash_keys(Call *call) {
    const int64_t *keys = at(call, 0);
    int32_t *slots = at(call, 1);
    size_t mask = call->views[1].len / sizeof(int32_t) - 1;
    for (Index i = 0; i < call->n[0]; i++) slots[slot_of_key(slots, mask, keys, keys[i])] = (int32_t)(i + 1);
}

FUNCTION(hash_keys, 2, 1, 1, hash_keys(call))

/* Known n-grams, and how their numbers are made of words. */
typedef struct {
    const int64_t *keys;
    const int32_t *slots;
    size_t mask;
    Index order, vocabulary_size, first_word, count;
    int32_t *met; /* 1 + the last long text that had it, made when it is first needed */
} Ngrams;

#define FEW_NGRAMS 128 /* so many are compared with each other */

/* The numbers of the known n-grams of text `b`, each once, in the order of their last words; how many, -1 without
   memory. There is room for all n-grams of the text in `rows`, which holds their keys first: what is looked up for them
   is asked for ahead. */
static Index ngrams_of_text(Ngrams *known, Index b, const int32_t *ids, Index length, int64_t *rows) {
    Index found = 0, all = 0;
    const int32_t *slots = known->slots;
    for (Index i = 0; i < length; i++) {
        int64_t key = 0, unit = 1;
        for (Index j = i; j >= 0 && j > i - known->order && ids[j] >= known->first_word; j--) {
            key += ids[j] * unit;
            unit *= known->vocabulary_size;
            __builtin_prefetch(slots + first_slot(known->mask, key));
            rows[all++] = key;
        }
    }
    for (Index i = 0; i < all; i++) {
        int32_t number = slots[first_slot(known->mask, rows[i])];
        if (number) __builtin_prefetch(known->keys + number - 1);
    }
    int few = all <= FEW_NGRAMS;
    if (!few && !known->met && !(known->met = calloc((size_t)known->count + 1, sizeof(int32_t)))) return -1;
    for (Index i = 0; i < all; i++) { /* those found never stand behind those still to be looked up */
        int32_t number = slots[slot_of_key(slots, known->mask, known->keys, rows[i])];
        if (!number) continue;
        if (few) {
            Index other = 0;
            while (other < found && rows[other] != number - 1) other++;
            if (other < found) continue;
        } else {
            if (known->met[number] == b + 1) continue;
            known->met[number] = (int32_t)(b + 1);
        }
        rows[found++] = number - 1;
    }
    return found;
}

static Ngrams ngrams_from(Call *call) {
    const Index *n = call->n;
    size_t mask = call->views[1].len / sizeof(int32_t) - 1;
    Ngrams known = {at(call, 0), at(call, 1), mask, n[0], n[1], n[2], n[3], NULL};
    return known;
}

/* keys, slots, ids, offsets, rows, counts; order, vocabulary size, first word's id, keys, texts. The numbers of the
   known n-grams of each text; how many each text has, and all have. */
static void find_ngrams(Call *call) {
    const int32_t *ids = at(call, 2);
    const int64_t *offsets = at(call, 3);
    int64_t *rows = call->views[4].buf, *counts = at(call, 5);
    Ngrams known = ngrams_from(call);
    for (Index b = 0; b < call->n[4]; b++) {
        counts[b] = ngrams_of_text(&known, b, ids + offsets[b], (Index)(offsets[b + 1] - offsets[b]), rows);
        if (counts[b] < 0) {
            call->out_of_memory = 1;
            return;
        }
        rows += counts[b];
    }
    counts[call->n[4]] = rows - (int64_t *)call->views[4].buf;
    free(known.met);
}

FUNCTION(find_ngrams, 6, 2, 5, find_ngrams(call))

/* keys, slots, ids, offsets, factors, weights, logits; order, vocabulary size, first word's id, keys, texts, classes,
   scale. The bag's part of the logits of each text. */
static void ngram_logits(Call *call) {
    const Index classes = call->n[5];
    const int32_t *ids = at(call, 2);
    const int64_t *offsets = at(call, 3);
    const float *factors = at(call, 4), *weights = at(call, 5);
    float *logits = at(call, 6);
    Ngrams known = ngrams_from(call);
    int64_t longest = 0;
    for (Index b = 0; b < call->n[4]; b++)
        if (offsets[b + 1] - offsets[b] > longest) longest = offsets[b + 1] - offsets[b];
    int64_t *rows = malloc(((size_t)known.order * longest + 1) * sizeof(int64_t));
    call->out_of_memory = !rows;
    for (Index b = 0; b < call->n[4] && !call->out_of_memory; b++, logits += classes) {
        Index found = ngrams_of_text(&known, b, ids + offsets[b], (Index)(offsets[b + 1] - offsets[b]), rows);
        float squares = 0;
        for (Index i = 0; i < found; i++) {
            __builtin_prefetch(factors + rows[i]);
            __builtin_prefetch(weights + rows[i] * classes);
        }
        for (Index k = 0; k < classes; k++) logits[k] = 0;
        for (Index i = 0; i < found; i++) {
            const float t = factors[rows[i]], *of = weights + rows[i] * classes;
            squares += t * t;
            for (Index k = 0; k < classes; k++) logits[k] += t * of[k];
        }
        if (found > 0)
            for (Index k = 0; k < classes; k++) logits[k] *= (float)call->n[6] / sqrtf(squares);
        call->out_of_memory = found < 0;
    }
    free(known.met);
    free(rows);
}

FUNCTION(ngram_logits, 7, 1, 7, ngram_logits(call))

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL},

static PyMethodDef methods[] = {LOOPS(METHOD) METHOD(number_words) METHOD(hash_words)
                                METHOD(encode_texts) METHOD(hash_keys) METHOD(find_ngrams)
                                METHOD(ngram_logits){NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) {
    choose_loops();
    return PyModule_Create(&definition);
}
