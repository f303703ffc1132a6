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

#define UNROLLED 8    /* windows of up to so many words are added in one sweep */
#define MOST_BLOCKS 8 /* sums of LANES numbers that fit into the registers */
#define PAIRWISE 96   /* texts of up to so many positions are ranked by comparing all pairs */

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
    use(max_windows) use(sparse_gradient) use(sparse_product) use(sum_windows) use(sum_windows_back) use(k_max)       \
        use(k_max_back) use(row_convolution) use(row_convolution_back_x) use(row_convolution_back_filters)            \
            use(settle_adam) use(step_adam) use(step_adadelta)

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

#define MOST_BUFFERS 9
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
        Py_BEGIN_ALLOW_THREADS;                                                                                       \
        statement;                                                                                                    \
        Py_END_ALLOW_THREADS;                                                                                         \
        return finish(call);                                                                                          \
    }

/* table, ids, offsets, sizes, best, where; regions, slots, maps, wide, texts, threads */
static void share_max_windows(Call *call, Index begin, Index end) {
    const Index *n = call->n;
    void *zeros, *sum;
    void *rows = scratch(call, n[1] * sizeof(float *), n[2] * sizeof(float), n[2] * sizeof(float), &zeros, &sum);
    if (!rows) return;
    loops.max_windows_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), n[0], n[1], n[2], (int)n[3], at(call, 4),
                           at(call, 5), begin, end, rows, zeros, sum);
    free(rows);
}

FUNCTION(max_windows, 6, 2, 6,
         run(call, share_max_windows, n[4], at(call, 2), n[5], (double)call->views[1].len * n[1] * n[2]))

/* grad, where, ids, offsets, sizes, starts, columns, values, next; regions, maps, texts, rows, by word */
FUNCTION(sparse_gradient, 9, 4, 5,
         loops.sparse_gradient_loop(at(call, 0), at(call, 1), at(call, 2), at(call, 3), at(call, 4), n[0], n[1], n[2],
                                    n[3], (int)n[4], at(call, 5), at(call, 6), at(call, 7), at(call, 8)))

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
    void *copy, *chosen;
    size_t pooled = (n[2] + 1) * n[1] * sizeof(float);
    void *keep = scratch(call, (n[0] + 1) * n[1] * sizeof(int32_t), n[0] * sizeof(float), 2 * pooled, &copy, &chosen);
    if (!keep) return;
    loops.k_max_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], at(call, 3), at(call, 4), begin, end,
                     keep, copy, chosen, (int32_t *)((char *)chosen + pooled));
    free(keep);
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
    float *sum = scratch(call, n[4] * sizeof(float), 0, 0, &none, &none);
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
    float *wide = scratch(call, n[4] * sizeof(float), 0, 0, &none, &none);
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
    float *wide = scratch(call, n[5] * sizeof(float), 0, 0, &none, &none);
    if (!wide) return;
    loops.row_convolution_back_filters_loop(at(call, 0), at(call, 1), at(call, 2), n[0], n[1], n[2], n[3], n[4], n[5],
                                            at(call, 3), begin, end, wide);
    free(wide);
}

FUNCTION(row_convolution_back_filters, 4, 1, 7,
         run(call, share_row_convolution_back_filters, n[3], NULL, n[6], (double)call->views[0].len * n[2] * n[4]))

/* words, owed, epsilon, decay1, decay2, table, first, second; dimension, rows, threads */
static void share_settle_adam(Call *call, Index begin, Index end) {
    loops.settle_adam_loop(at(call, 5), at(call, 6), at(call, 7), at(call, 0), at(call, 1), at(call, 2), at(call, 3),
                           at(call, 4), call->n[0], begin, end);
}

FUNCTION(settle_adam, 8, 3, 3, run(call, share_settle_adam, n[1], NULL, n[2], (double)n[0] * n[1] * 4))

/* words, grad, constants (rate, epsilon, beta1, beta2), table, first, second; dimension, rows, threads */
static void share_step_adam(Call *call, Index begin, Index end) {
    const float *constants = at(call, 2);
    loops.step_adam_loop(at(call, 3), at(call, 4), at(call, 5), at(call, 0), at(call, 1), constants[0], constants[1],
                         constants[2], constants[3], call->n[0], begin, end);
}

FUNCTION(step_adam, 6, 3, 3, run(call, share_step_adam, n[1], NULL, n[2], (double)n[0] * n[1] * 4))

/* words, grad, decay, constants (rate, epsilon, rho), table, square, moved; dimension, rows, threads */
static void share_step_adadelta(Call *call, Index begin, Index end) {
    const float *constants = at(call, 3);
    loops.step_adadelta_loop(at(call, 4), at(call, 5), at(call, 6), at(call, 0), at(call, 1), at(call, 2), constants[0],
                             constants[1], constants[2], call->n[0], begin, end);
}

FUNCTION(step_adadelta, 7, 3, 3, run(call, share_step_adadelta, n[1], NULL, n[2], (double)n[0] * n[1] * 4))

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL},

static PyMethodDef methods[] = {LOOPS(METHOD){NULL, NULL, 0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) {
    choose_loops();
    return PyModule_Create(&definition);
}
