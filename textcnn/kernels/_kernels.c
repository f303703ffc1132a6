/* The inner loops over look-up tables and pooled positions (`_loops.h`) as functions of Python, on arrays.

   The functions of `textcnn.kernels`, which document them, call those of the same name here. Each takes its arguments
   into a struct and checks them (`_arguments.h`), so that no call reads or writes memory that is not its own. The loops
   run without the interpreter's lock, in shares (a range of texts, of feature maps or of rows) which never write to the
   same number; what all texts add to has a sum for each of a fixed number of blocks. A result has the same bits
   whatever the number of threads. */

#if defined(__linux__)
#define _GNU_SOURCE /* RTLD_DEFAULT */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>
#endif

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wpsabi" /* vectors are passed within this file only */

#define MOST_BLOCKS 8   /* sums of LANES numbers that fit into the registers */
#define MOST_LANES 16   /* of all kinds of processors */
#define CACHE_LINE 64   /* bytes in a line of the cache */
#define BLOCK_OF_WINDOWS (1 << 18) /* of a long text; a fraction of a second */
#define BLOCKS_OF_TEXTS 16 /* with sums of their own, which are added in order: the same whatever the threads */
#define MOST_CODES 256  /* words of a window whose codes of 8 bits add up in 16 */
#define MOST_FETCHED 64 /* words of a text that are fetched ahead */

typedef Py_ssize_t Index;

#define PASTE(name, suffix) name##_##suffix
#define PASTE_EXPANDED(name, suffix) PASTE(name, suffix)
#define PASTE_BITS(name, bits, suffix) name##_##bits##_##suffix
#define PASTE_WITH_BITS(name, bits, suffix) PASTE_BITS(name, bits, suffix)
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

#include "_arguments.h"

/* The loops for this processor. */
#define LOOPS(use)                                                                                                    \
    use(max_windows) use(max_logits) use(code_logits_8) use(code_logits_16) use(find_pooled) use(sparse_gradient)     \
        use(sparse_product) use(sum_windows) use(sum_windows_back) use(k_max) use(k_windows) use(mean_windows)        \
            use(mean_windows_back) use(pad_filters) use(turn_filters) use(halve_filters) use(row_logits)              \
                use(project_words) use(row_layers) use(row_layers_back) use(words_back) use(sum_filters)              \
                    use(sum_halves) use(settle_adam) use(step_adam) use(step_adadelta)

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

#define MOST_SHARES 64
#define SMALL 30000 /* numbers: less is done before other threads are at work */

typedef void (*Parallel)(void (*run)(void *), void *data, unsigned threads, unsigned flags);
typedef int (*Count)(void);
typedef int (*Share)(const void *arguments, Index begin, Index end); /* 0 where no memory was left */

typedef struct {
    Share share;
    const void *arguments;
    Index edges[MOST_SHARES + 1], shares;
    Count number, count;
    int done;
} Team;

static Parallel find_parallel(Count *number, Count *count, Count *processors) {
#if defined(__linux__)
    *number = (Count)dlsym(RTLD_DEFAULT, "omp_get_thread_num");
    *count = (Count)dlsym(RTLD_DEFAULT, "omp_get_num_threads");
    *processors = (Count)dlsym(RTLD_DEFAULT, "omp_get_num_procs");
    Parallel parallel = (Parallel)dlsym(RTLD_DEFAULT, "GOMP_parallel");
    return *number && *count && *processors ? parallel : NULL;
#else
    (void)number, (void)count, (void)processors;
    return NULL;
#endif
}

static void run_shares(void *data) {
    Team *team = data;
    for (Index i = team->number(); i < team->shares; i += team->count())
        if (!team->share(team->arguments, team->edges[i], team->edges[i + 1]))
            __atomic_store_n(&team->done, 0, __ATOMIC_RELAXED);
}

/* Share `count` items among threads, as many in each share or, where there are offsets, as many of theirs. `numbers` is
   how much there is to do. */
static int run(Share share, const void *arguments, Index count, const int64_t *offsets, Index threads, double numbers) {
    Team team = {.share = share, .arguments = arguments, .done = 1};
    Parallel parallel = NULL;
    Count processors;
    if (threads > 1 && count > 1 && numbers > SMALL) parallel = find_parallel(&team.number, &team.count, &processors);
    if (!parallel) return share(arguments, 0, count);
    team.shares = threads < count ? threads : count;
    if (team.shares > MOST_SHARES) team.shares = MOST_SHARES;
    for (Index i = 0, item = 0; i <= team.shares; i++) {
        if (!offsets || i == team.shares) item = count * i / team.shares;
        else {
            int64_t wanted = offsets[0] + (offsets[count] - offsets[0]) * i / team.shares;
            while (offsets[item] < wanted) item++;
        }
        team.edges[i] = item;
    }
    parallel(run_shares, &team, (unsigned)threads, 0);
    return team.done;
}

/* libgomp's threads spin while they wait, 300,000 rounds each time, which beside another busy process takes the time
   that the threads with work need. They spin 100 rounds where libgomp has more threads than there are processors (its
   manual, GOMP_SPINCOUNT): a team that does nothing, asleep from then on, makes it so. OMP_WAIT_POLICY goes first. */

#if defined(__linux__)
static void do_nothing(void *Py_UNUSED(data)) {}

static void *hold_team(void *Py_UNUSED(data)) {
    Count number, count, processors;
    Parallel parallel = find_parallel(&number, &count, &processors);
    parallel(do_nothing, NULL, (unsigned)processors() + 1, 0);
    for (;;) pause();
    return NULL;
}
#endif

static PyObject *py_limit_spinning(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(none)) {
#if defined(__linux__)
    static int held; /* a child of fork() has no such team, but libgomp's count of threads */
    Count number, count, processors;
    if (held || getenv("OMP_WAIT_POLICY") || !find_parallel(&number, &count, &processors)) return PyBool_FromLong(held);
    sigset_t all, before;
    pthread_t thread;
    sigfillset(&all); /* signals are for other threads */
    if (pthread_sigmask(SIG_SETMASK, &all, &before)) Py_RETURN_FALSE;
    held = !pthread_create(&thread, NULL, hold_team, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (held) pthread_detach(thread);
    return PyBool_FromLong(held);
#else
    Py_RETURN_FALSE;
#endif
}

/* ---- scratch memory ---------------------------------------------------------------------------------------------- */

/* Room for `count` items of some size, or NULL where that is no size. */
static void *room(Index count, size_t size) {
    return count < 0 || (size_t)count > (PY_SSIZE_T_MAX - 64) / size ? NULL : malloc((size_t)count * size + 64);
}

static void *zero_room(Index count, size_t size) {
    return count < 0 || count > PY_SSIZE_T_MAX - 64 ? NULL : calloc((size_t)count + 1, size);
}

/* ---- functions of Python ----------------------------------------------------------------------------------------- */

/* py_name: takes the arguments (`take_name`) and does the work (an expression, 0 where no memory was left) without the
   interpreter's lock. */
#define FUNCTION(name, Struct, work)                                                                                  \
    static PyObject *py_##name(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t given) {                  \
        Arguments from;                                                                                               \
        start(&from, args, given);                                                                                    \
        Struct taken = take_##name(&from), *a = &taken;                                                               \
        int done = all_taken(&from);                                                                                  \
        if (done) {                                                                                                   \
            Py_BEGIN_ALLOW_THREADS;                                                                                   \
            done = work;                                                                                              \
            Py_END_ALLOW_THREADS;                                                                                     \
        }                                                                                                             \
        return finish(&from, done);                                                                                   \
    }

/* Whether a signal's handler raised, as that of Ctrl-C does; an error is set then. Only the main thread has signals, and
   the caller is one that left the interpreter's lock itself. */
static int interrupted(void) {
    PyGILState_STATE state = PyGILState_Ensure();
    int raised = PyErr_CheckSignals();
    PyGILState_Release(state);
    return raised;
}

static MaxWindows take_max_windows(Arguments *from) {
    MaxWindows a = {.table = take_table(from)};
    a.texts = take_texts(from, a.table.words);
    a.regions = take_regions(from, a.table.slots, &a.texts);
    a.wide = take_truth(from, "wide");
    int places = take_truth(from, "places");
    a.threads = take_threads(from);
    const Index width = times(a.regions.count, a.table.maps);
    a.best = make(from, FLOAT32, a.texts.count, width);
    int32_t *where = places ? make(from, INT32, a.texts.count, width) : make(from, INT32, 0);
    a.where = places ? where : NULL;
    if (a.threads == 1) a.interrupted = interrupted;
    return a;
}

static int share_max_windows(const void *arguments, Index begin, Index end) {
    const MaxWindows *a = arguments;
    const float **rows = room(a->regions.largest, sizeof(float *));
    float *zeros = zero_room(a->table.maps, sizeof(float));
    if (rows && zeros) loops.max_windows_loop(a, begin, end, rows, zeros);
    free(rows), free(zeros);
    return rows && zeros;
}

FUNCTION(max_windows, MaxWindows,
         run(share_max_windows, a, a->texts.count, a->texts.offsets, a->threads,
             4.0 * (double)a->texts.offsets[a->texts.count] * (double)a->table.slots * (double)a->table.maps))

/* What follows the table. */
static MaxLogits take_network(Arguments *from, Table table) {
    MaxLogits a = {.windows.table = table};
    MaxWindows *windows = &a.windows;
    windows->texts = take_texts(from, windows->table.words);
    windows->regions = take_regions(from, windows->table.slots, &windows->texts);
    windows->wide = take_truth(from, "wide");
    a.bias = take(from, "bias", FLOAT32, 2);
    expect(from, windows->regions.count, windows->table.maps);
    a.activation = take_number(from, "activation", 0, 2);
    a.weights = take(from, "weights", FLOAT32, 2);
    a.classes = from->shape[0];
    expect(from, a.classes, times(windows->regions.count, windows->table.maps));
    a.weights_bias = take(from, "weights_bias", FLOAT32, 1);
    expect(from, a.classes);
    a.logits = make(from, FLOAT32, windows->texts.count, a.classes);
    windows->interrupted = interrupted;
    return a;
}

static MaxLogits take_max_logits(Arguments *from) { return take_network(from, take_table(from)); }

static int do_max_logits(const MaxLogits *a) {
    const MaxWindows *windows = &a->windows;
    const float **rows = room(windows->regions.largest, sizeof(float *));
    float *zeros = zero_room(windows->table.maps, sizeof(float));
    float *features = room(times(windows->regions.count, windows->table.maps), sizeof(float));
    int done = rows && zeros && features;
    if (done) loops.max_logits_loop(a, 0, windows->texts.count, rows, zeros, features);
    free(rows), free(zeros), free(features);
    return done;
}

FUNCTION(max_logits, MaxLogits, do_max_logits(a))

static CodeLogits take_code_logits(Arguments *from) {
    CodeLogits a = {.bytes = (int)take_number(from, "bytes", 1, 2)};
    a.codes = take(from, "table", a.bytes == 1 ? INT8 : INT16, 3);
    const Table table = {.words = from->shape[0], .slots = from->shape[1], .maps = from->shape[2]};
    a.scales = take(from, "scales", FLOAT32, 2);
    const Index regions = from->shape[0];
    expect(from, regions, table.maps);
    a.of = take_network(from, table);
    if (!PyErr_Occurred() && regions != a.of.windows.regions.count)
        PyErr_Format(PyExc_ValueError, "scales: expected %zd regions, found %zd", a.of.windows.regions.count, regions);
    if (!PyErr_Occurred() && a.of.windows.regions.largest > MOST_CODES)
        PyErr_Format(PyExc_ValueError, "sizes: expected at most %d, found %zd", MOST_CODES, a.of.windows.regions.largest);
    return a;
}

static int do_code_logits(const CodeLogits *a) {
    const Table *table = &a->of.windows.table;
    float *features = room(times(a->of.windows.regions.count, table->maps), sizeof(float));
    void *best = room(table->maps, sizeof(int32_t));
    if (features && best)
        (a->bytes == 1 ? loops.code_logits_8_loop : loops.code_logits_16_loop)(a, 0, a->of.windows.texts.count,
                                                                               features, best);
    free(features), free(best);
    return features && best;
}

FUNCTION(code_logits, CodeLogits, do_code_logits(a))

static MaxWindowsBack take_max_windows_back(Arguments *from) {
    MaxWindowsBack a = {.words = take(from, "words", FLOAT32, 2)};
    a.distinct = from->shape[0], a.dimension = from->shape[1];
    a.filters = take(from, "filters", FLOAT32, 3);
    a.slots = from->shape[0], a.maps = from->shape[1];
    expect(from, a.slots, a.maps, a.dimension);
    a.texts = take_texts(from, a.distinct);
    a.regions = take_regions(from, a.slots, &a.texts);
    a.k = take_number(from, "k", 1, INT32_MAX);
    const Index width = times(times(a.regions.count, a.k), a.maps);
    a.grad = take(from, "grad", FLOAT32, 2);
    expect(from, a.texts.count, width);
    a.where = take(from, "where", INT32, 2);
    expect(from, a.texts.count, width);
    int words_too = take_truth(from, "words_too");
    a.threads = take_threads(from);
    check_32_bits("filters' slots times maps", times(a.slots, a.maps));
    check_where(&a);
    a.filters_grad = make(from, FLOAT32, a.slots, a.maps, a.dimension);
    if (words_too) a.words_grad = make(from, FLOAT32, a.distinct, a.dimension);
    return a;
}

/* The gradient by filters' slots (item 0) and by words (item 1). */
static int share_sparse_gradient(const void *arguments, Index begin, Index end) {
    const MaxWindowsBack *a = arguments;
    for (int by_word = (int)begin; by_word < end; by_word++) {
        Sparse *out = a->sparse + by_word;
        out->rows = by_word ? a->distinct : a->slots * a->maps;
        out->starts = zero_room(out->rows, sizeof(int64_t));
        int64_t *next = room(out->rows, sizeof(int64_t));
        if (out->starts && next) {
            loops.sparse_gradient_loop(a, out, by_word, NULL);
            for (Index row = 0; row < out->rows; row++) out->starts[row + 1] += out->starts[row];
            memcpy(next, out->starts, (size_t)out->rows * sizeof(int64_t));
            out->numbers = room((Index)out->starts[out->rows], sizeof(Number));
            if (out->numbers) loops.sparse_gradient_loop(a, out, by_word, next);
        }
        free(next);
        if (!out->numbers) return 0;
    }
    return 1;
}

static int share_sparse_product(const void *arguments, Index begin, Index end) {
    loops.sparse_product_loop(arguments, begin, end);
    return 1;
}

static int product(const Sparse *sparse, const float *dense, Index dimension, float *out, Index threads) {
    const SparseProduct a = {sparse, dense, dimension, out};
    return run(share_sparse_product, &a, sparse->rows, sparse->starts, threads,
               4.0 * (double)sparse->starts[sparse->rows] * (double)dimension);
}

static int do_max_windows_back(MaxWindowsBack *a) {
    Sparse sparse[2] = {{0}};
    a->sparse = sparse;
    const Index regions = times(a->texts.count, a->regions.count), most = times(regions, times(a->k, a->maps));
    double numbers = 4.0 * (double)most;
    a->pooled = room(plus(most, 1), sizeof(Pooled)); /* one more is written */
    a->ends = room(regions, sizeof(int64_t));
    int done = a->pooled && a->ends;
    if (done) loops.find_pooled_loop(a);
    done = done && run(share_sparse_gradient, a, a->words_grad ? 2 : 1, NULL, a->threads, numbers) &&
               product(&sparse[0], a->words, a->dimension, a->filters_grad, a->threads) &&
               (!a->words_grad || product(&sparse[1], a->filters, a->dimension, a->words_grad, a->threads));
    for (int i = 0; i < 2; i++) free(sparse[i].starts), free(sparse[i].numbers);
    free(a->pooled), free(a->ends);
    return done;
}

FUNCTION(max_windows_back, MaxWindowsBack, do_max_windows_back(a))

static SumWindows take_sum_windows(Arguments *from) {
    SumWindows a = {.table = take_table(from)};
    a.texts = take_texts(from, a.table.words);
    take_window(from, a.table.slots, &a.texts, &a.size, &a.slot, &a.wide);
    a.positions = take_number(from, "positions", windows_of_longest(&a.texts, a.size, a.wide), PY_SSIZE_T_MAX);
    a.threads = take_threads(from);
    a.out = make(from, FLOAT32, a.texts.count, a.positions, a.table.maps);
    return a;
}

static int share_sum_windows(const void *arguments, Index begin, Index end) {
    const SumWindows *a = arguments;
    const float **rows = room(a->size, sizeof(float *));
    float *zeros = zero_room(a->table.maps, sizeof(float));
    if (rows && zeros) loops.sum_windows_loop(a, begin, end, rows, zeros);
    free(rows), free(zeros);
    return rows && zeros;
}

FUNCTION(sum_windows, SumWindows,
         run(share_sum_windows, a, a->texts.count, a->texts.offsets, a->threads,
             4.0 * (double)a->texts.count * (double)a->positions * (double)a->table.maps * (double)a->size))

static SumWindowsBack take_sum_windows_back(Arguments *from) {
    SumWindowsBack a = {.table_grad = take_writable(from, "table_grad", FLOAT32, 3)};
    Index words = from->shape[0];
    a.slots = from->shape[1], a.maps = from->shape[2];
    a.texts = take_texts(from, words);
    take_window(from, a.slots, &a.texts, &a.size, &a.slot, &a.wide);
    a.grad = take(from, "grad", FLOAT32, 3);
    a.positions = from->shape[1];
    expect(from, a.texts.count, a.positions, a.maps);
    Index windows = windows_of_longest(&a.texts, a.size, a.wide);
    if (!PyErr_Occurred() && a.positions < windows)
        PyErr_Format(PyExc_ValueError, "grad: expected %zd positions or more, found %zd", windows, a.positions);
    a.threads = take_threads(from);
    return a;
}

static int share_sum_windows_back(const void *arguments, Index begin, Index end) {
    loops.sum_windows_back_loop(arguments, begin, end);
    return 1;
}

FUNCTION(sum_windows_back, SumWindowsBack,
         run(share_sum_windows_back, a, a->maps, NULL, a->threads,
             4.0 * (double)a->texts.count * (double)a->positions * (double)a->maps * (double)a->size))

static KMax take_k_max(Arguments *from) {
    KMax a = {.x = take(from, "x", FLOAT32, 3)};
    a.texts = from->shape[0], a.positions = from->shape[1], a.maps = from->shape[2];
    a.counts = take(from, "counts", INT64, 1);
    expect(from, a.texts);
    check_counts("counts", a.counts, a.texts, a.positions);
    a.ks = take(from, "ks", INT64, 1);
    expect(from, a.texts);
    a.most = take_number(from, "most", 0, PY_SSIZE_T_MAX);
    check_counts("ks", a.ks, a.texts, a.most);
    a.threads = take_threads(from);
    check_32_bits("x: positions times maps", times(plus(a.positions, 1), a.maps));
    a.values = make(from, FLOAT32, a.texts, a.most, a.maps);
    a.where = make(from, INT32, a.texts, a.most, a.maps);
    return a;
}

static void free_pool(Pool *pool) {
    free(pool->rows), free((void *)pool->zeros), free(pool->x), free(pool->sorted), free(pool->bias);
    free(pool->above), free(pool->equal);
}

/* Room to pool `positions` of `maps` each, of windows of up to `largest` words; false where there is none. */
static int make_pool(Pool *pool, Index positions, Index maps, Index largest) {
    const Index step = filled(maps), marks = times(positions / 32 + 1, step);
    *pool = (Pool){.rows = room(largest, sizeof(float *)),
                   .zeros = zero_room(step, sizeof(float)),
                   .x = zero_room(times(positions, step), sizeof(float)),
                   .sorted = room(times(positions, step), sizeof(float)),
                   .bias = zero_room(step, sizeof(float)),
                   .above = room(marks, sizeof(int32_t)),
                   .equal = room(marks, sizeof(int32_t))};
    return pool->rows && pool->zeros && pool->x && pool->sorted && pool->bias && pool->above && pool->equal;
}

static int share_k_max(const void *arguments, Index begin, Index end) {
    const KMax *a = arguments;
    Pool pool;
    int done = make_pool(&pool, a->positions, a->maps, 0);
    if (done) loops.k_max_loop(a, begin, end, &pool);
    free_pool(&pool);
    return done;
}

FUNCTION(k_max, KMax,
         run(share_k_max, a, a->texts, NULL, a->threads,
             32.0 * (double)a->texts * (double)a->positions * (double)a->maps))

/* ---- k-max and average pooling of windows ------------------------------------------------------------------------ */

static PooledWindows take_pooled_windows(Arguments *from) {
    PooledWindows a = {.table = take_table(from)};
    a.texts = take_texts(from, a.table.words);
    a.regions = take_regions(from, a.table.slots, &a.texts);
    a.wide = take_truth(from, "wide");
    a.bias = take(from, "bias", FLOAT32, 2);
    expect(from, a.regions.count, a.table.maps);
    a.activation = take_number(from, "activation", 0, 2);
    return a;
}

static void take_threads_of_windows(Arguments *from, PooledWindows *a) {
    a->threads = take_threads(from);
    if (a->threads == 1) a->interrupted = interrupted;
}

static double work_of_windows(const PooledWindows *a) {
    return 8.0 * (double)a->texts.offsets[a->texts.count] * (double)a->table.slots * (double)a->table.maps;
}

static PooledWindows take_k_windows(Arguments *from) {
    PooledWindows a = take_pooled_windows(from);
    a.k = take_number(from, "k", 1, INT32_MAX);
    take_threads_of_windows(from, &a);
    const Index width = times(times(a.regions.count, a.k), a.table.maps);
    a.values = make(from, FLOAT32, a.texts.count, width);
    a.where = make(from, INT32, a.texts.count, width);
    return a;
}

static int share_k_windows(const void *arguments, Index begin, Index end) {
    const PooledWindows *a = arguments;
    Pool pool;
    int done = make_pool(&pool, plus(a->texts.longest, a->regions.largest), a->table.maps, a->regions.largest);
    if (done) loops.k_windows_loop(a, begin, end, &pool);
    free_pool(&pool);
    return done;
}

FUNCTION(k_windows, PooledWindows,
         run(share_k_windows, a, a->texts.count, a->texts.offsets, a->threads, work_of_windows(a)))

static PooledWindows take_mean_windows(Arguments *from) {
    PooledWindows a = take_pooled_windows(from);
    take_threads_of_windows(from, &a);
    a.values = make(from, FLOAT32, a.texts.count, times(a.regions.count, a.table.maps));
    return a;
}

static int share_mean_windows(const void *arguments, Index begin, Index end) {
    const PooledWindows *a = arguments;
    Pool pool;
    int done = make_pool(&pool, 3, a->table.maps, a->regions.largest);
    if (done) loops.mean_windows_loop(a, begin, end, &pool);
    free_pool(&pool);
    return done;
}

FUNCTION(mean_windows, PooledWindows,
         run(share_mean_windows, a, a->texts.count, a->texts.offsets, a->threads, work_of_windows(a)))

static PooledWindows take_mean_windows_back(Arguments *from) {
    PooledWindows a = take_pooled_windows(from);
    a.grad = take(from, "grad", FLOAT32, 2);
    expect(from, a.texts.count, times(a.regions.count, a.table.maps));
    take_threads_of_windows(from, &a);
    a.table_grad = make(from, FLOAT32, a.table.words, a.table.slots, a.table.maps);
    a.bias_grad = make(from, FLOAT32, a.regions.count, a.table.maps);
    return a;
}

static int share_mean_windows_back(const void *arguments, Index begin, Index end) {
    const PooledWindows *a = arguments;
    Pool pool;
    int done = make_pool(&pool, 3, a->table.maps, a->regions.largest);
    if (done) loops.mean_windows_back_loop(a, begin, end, &pool);
    free_pool(&pool);
    return done;
}

static int do_mean_windows_back(const PooledWindows *a) {
    const size_t numbers = (size_t)(a->table.slots * a->table.maps) * sizeof(float);
    memset(a->table_grad, 0, (size_t)a->table.words * numbers);
    memset(a->bias_grad, 0, (size_t)(a->regions.count * a->table.maps) * sizeof(float));
    return run(share_mean_windows_back, a, a->table.maps, NULL, a->threads, work_of_windows(a));
}

FUNCTION(mean_windows_back, PooledWindows, do_mean_windows_back(a))

/* ---- the DCNN ---------------------------------------------------------------------------------------------------- */

/* Settings and weights of the layers, of rows of words with `dimension` numbers. */
static RowLayers take_layers(Arguments *from, const Texts *texts, Index dimension) {
    RowLayers a = {.sizes = take(from, "sizes", INT32, 1)};
    a.layers = from->shape[0];
    if (!PyErr_Occurred() && (a.layers < 1 || a.layers > MOST_LAYERS))
        PyErr_Format(PyExc_ValueError, "sizes: expected 1 to %d layers, found %zd", MOST_LAYERS, a.layers);
    a.maps = take(from, "maps", INT32, 1);
    expect(from, a.layers);
    const Index halves = PyErr_Occurred() ? 1 : (Index)1 << a.layers;
    a.dimension = dimension ? dimension : take_number(from, "dimension", halves, INT32_MAX);
    if (!PyErr_Occurred() && a.dimension % halves)
        PyErr_Format(PyExc_ValueError, "dimension: expected a multiple of %zd, found %zd", halves, a.dimension);
    a.k_top = take_number(from, "k_top", 1, INT32_MAX);
    a.positions = plus(texts->longest, a.k_top);
    for (Index layer = 0; !PyErr_Occurred() && layer < a.layers; layer++) {
        const Index size = a.sizes[layer], maps = a.maps[layer], rows = a.dimension >> layer;
        if (size < 1) wrong_item("sizes", "numbers from 1 to", INT32_MAX, size, layer);
        else if (maps < 1) wrong_item("maps", "numbers from 1 to", INT32_MAX, maps, layer);
        if (PyErr_Occurred()) break;
        a.positions = plus(a.positions, size);
        a.biases_count = plus(a.biases_count, times(maps, rows / 2));
        const Index width = layer ? times(filled(maps), rows / 2) : filled(times(maps, rows / 2));
        if (width > a.widest) a.widest = width;
        if (size > a.largest) a.largest = size;
        if (!layer) continue;
        const Index taps = times(size, a.maps[layer - 1]);
        a.filters_count = plus(a.filters_count, times(times(taps, maps), rows));
        const Index padded = times(times(taps, filled(maps)), rows), turned = times(times(filled(taps), maps), rows);
        a.padded = plus(a.padded, padded > turned ? padded : turned);
    }
    check_32_bits("numbers of a text in a layer", times(times(a.positions, 2), a.widest));
    check_32_bits("filters", a.padded);
    a.biases = take(from, "biases", FLOAT32, 1);
    expect(from, a.biases_count);
    a.filters = take(from, "filters", FLOAT32, 1);
    expect(from, a.filters_count);
    if (PyErr_Occurred()) return a;
    a.features = times(a.k_top, times(a.maps[a.layers - 1], a.dimension >> a.layers));
    room_of_text(&a, texts->longest, &a.values, &a.kept);
    return a;
}

static int make_row_work(RowWork *work, const RowLayers *a) {
    *work = (RowWork){.values = room(plus(a->values, MOST_LANES), sizeof(float)),
                      .features = room(a->features, sizeof(float)),
                      .grad = room(a->kept, sizeof(float)),
                      .values_grad = room(plus(a->values, MOST_LANES), sizeof(float)),
                      .rows = room(a->dimension / 2 + 1, sizeof(int32_t))};
    return make_pool(&work->pool, a->positions, a->widest, a->largest) && work->values && work->features &&
           work->grad && work->values_grad && work->rows;
}

static void free_row_work(RowWork *work) {
    free_pool(&work->pool);
    free(work->values), free(work->features), free(work->grad), free(work->values_grad);
    free(work->rows);
}

static RowLogits take_row_logits(Arguments *from) {
    RowLogits a = {.table = take(from, "table", FLOAT32, 3)};
    const Index words = from->shape[0], slots = from->shape[1], width = from->shape[2];
    a.texts = take_texts(from, words);
    a.layers = take_layers(from, &a.texts, 0);
    const Index expected = PyErr_Occurred() ? 0 : a.layers.maps[0] * (a.layers.dimension / 2);
    if (!PyErr_Occurred() && (slots != a.layers.sizes[0] || width != expected))
        PyErr_Format(PyExc_ValueError, "table: expected the shape (%zd, %d, %zd), found (%zd, %zd, %zd)", words,
                     a.layers.sizes[0], expected, words, slots, width);
    a.weights = take(from, "weights", FLOAT32, 2);
    a.classes = from->shape[0];
    expect(from, a.classes, a.layers.features);
    a.weights_bias = take(from, "weights_bias", FLOAT32, 1);
    expect(from, a.classes);
    a.logits = make(from, FLOAT32, a.texts.count, a.classes);
    return a;
}

static int do_row_logits(const RowLogits *a) {
    RowWork work;
    float *padded = room(a->layers.padded, sizeof(float));
    int done = make_row_work(&work, &a->layers) && padded;
    if (done) {
        loops.pad_filters_loop(&a->layers, padded);
        loops.row_logits_loop(a, 0, a->texts.count, padded, &work);
    }
    free_row_work(&work), free(padded);
    return done;
}

FUNCTION(row_logits, RowLogits, do_row_logits(a))

/* What forward and backward pass take: words, texts and weights. */
static RowTraining take_row_training(Arguments *from) {
    RowTraining a = {.words = take(from, "words", FLOAT32, 3)};
    a.distinct = from->shape[0], a.channels = from->shape[1];
    const Index dimension = from->shape[2];
    if (!PyErr_Occurred() && (dimension < 2 || dimension > INT32_MAX || a.channels < 1))
        PyErr_Format(PyExc_ValueError, "words: expected channels of 2 rows or more, found %zd of %zd", a.channels,
                     dimension);
    a.texts = take_texts(from, a.distinct);
    a.layers = take_layers(from, &a.texts, dimension);
    a.first = take(from, "first", FLOAT32, 4);
    if (!PyErr_Occurred()) expect(from, a.channels, a.layers.sizes[0], a.layers.maps[0], dimension);
    for (Index b = 0; !PyErr_Occurred() && b < a.texts.count; b++) {
        Index values, places;
        room_of_text(&a.layers, (Index)(a.texts.offsets[b + 1] - a.texts.offsets[b]), &values, &places);
        a.values_count = plus(a.values_count, values), a.places_count = plus(a.places_count, places);
    }
    a.values_count = plus(a.values_count, MOST_LANES); /* whole registers are read at the end */
    return a;
}

/* Where the values and places of each text begin. */
static int find_texts(RowTraining *a) {
    a->values_at = room(a->texts.count + 1, sizeof(int64_t)), a->places_at = room(a->texts.count + 1, sizeof(int64_t));
    if (!a->values_at || !a->places_at) return 0;
    a->values_at[0] = a->places_at[0] = 0;
    for (Index b = 0; b < a->texts.count; b++) {
        Index values, places;
        room_of_text(&a->layers, (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]), &values, &places);
        a->values_at[b + 1] = a->values_at[b] + values, a->places_at[b + 1] = a->places_at[b] + places;
    }
    return 1;
}

/* Numbers of the first layer's windows, of one slot and of a word in all slots. */
static Index one_slot(const RowTraining *a) { return filled(a->layers.maps[0] * (a->layers.dimension / 2)); }
static Index all_slots(const RowTraining *a) { return times(a->layers.sizes[0], one_slot(a)); }

static double products_of_words(const RowTraining *a) {
    return 4.0 * (double)a->distinct * (double)a->channels * (double)all_slots(a);
}

static double products_of_texts(const RowTraining *a) { return 32.0 * (double)a->places_count; }

static RowTraining take_row_layers(Arguments *from) {
    RowTraining a = take_row_training(from);
    a.threads = take_threads(from);
    a.features = make(from, FLOAT32, a.texts.count, a.layers.features);
    a.values = make(from, FLOAT32, a.values_count);
    a.places = make(from, INT32, a.places_count);
    return a;
}

static int share_project_words(const void *arguments, Index begin, Index end) {
    const RowTraining *a = arguments;
    float *row = room(times(2 * a->channels, one_slot(a)), sizeof(float));
    if (row) loops.project_words_loop(a, begin, end, row);
    free(row);
    return row != NULL;
}

static int share_row_layers(const void *arguments, Index begin, Index end) {
    const RowTraining *a = arguments;
    RowWork work;
    int done = make_row_work(&work, &a->layers);
    if (done) loops.row_layers_loop(a, begin, end, &work);
    free_row_work(&work);
    return done;
}

static int do_row_layers(RowTraining *a) {
    a->halves = room(times(2 * a->channels, all_slots(a)), sizeof(float));
    a->table = room(times(a->distinct, all_slots(a)), sizeof(float));
    a->padded = room(a->layers.padded, sizeof(float));
    int done = find_texts(a) && a->halves && a->table && a->padded;
    if (done) {
        loops.halve_filters_loop(a);
        loops.pad_filters_loop(&a->layers, a->padded);
        done = run(share_project_words, a, a->distinct, NULL, a->threads, products_of_words(a)) &&
               run(share_row_layers, a, a->texts.count, a->texts.offsets, a->threads, products_of_texts(a));
    }
    free(a->halves), free(a->table), free(a->padded), free(a->values_at), free(a->places_at);
    return done;
}

FUNCTION(row_layers, RowTraining, do_row_layers(a))

/* Each place is a window of its layer. */
static void check_places(const RowTraining *a) {
    const RowLayers *layers = &a->layers;
    Index at = 0;
    for (Index b = 0; !PyErr_Occurred() && b < a->texts.count; b++) {
        const Index length = (Index)(a->texts.offsets[b + 1] - a->texts.offsets[b]);
        Index count = length + layers->sizes[0] - 1;
        for (Index layer = 1; length && layer <= layers->layers; layer++) {
            const Index kept = kept_of(layers, length, layer, count);
            const Index end = at + kept * layers->maps[layer - 1] * (layers->dimension >> layer);
            check_range("places", a->places, at, end, 0, count - 1);
            at = end, count = kept + (layer < layers->layers ? layers->sizes[layer] - 1 : 0);
        }
    }
}

static RowTraining take_row_layers_back(Arguments *from) {
    RowTraining a = take_row_training(from);
    a.threads = take_threads(from);
    a.features = (float *)take(from, "features", FLOAT32, 2);
    expect(from, a.texts.count, a.layers.features);
    a.values = (float *)take(from, "values", FLOAT32, 1);
    expect(from, a.values_count);
    a.places = (int32_t *)take(from, "places", INT32, 1);
    expect(from, a.places_count);
    check_places(&a);
    a.grad = take(from, "grad", FLOAT32, 2);
    expect(from, a.texts.count, a.layers.features);
    a.words_grad = make(from, FLOAT32, a.distinct, a.channels, a.layers.dimension);
    if (!PyErr_Occurred())
        a.first_grad = make(from, FLOAT32, a.channels, a.layers.sizes[0], a.layers.maps[0], a.layers.dimension);
    a.biases_grad = make(from, FLOAT32, a.layers.biases_count);
    a.filters_grad = make(from, FLOAT32, a.layers.filters_count);
    return a;
}

static int share_row_layers_back(const void *arguments, Index begin, Index end) {
    const RowTraining *a = arguments;
    RowWork work;
    int done = make_row_work(&work, &a->layers);
    if (done) loops.row_layers_back_loop(a, begin, end, &work);
    free_row_work(&work);
    return done;
}

static int share_words_back(const void *arguments, Index begin, Index end) {
    const RowTraining *a = arguments;
    float *row = room(plus(times(2 * a->channels, one_slot(a)), all_slots(a)), sizeof(float));
    if (row) loops.words_back_loop(a, begin, end, row);
    free(row);
    return row != NULL;
}

/* The first windows of each word's positions, by words. */
static void find_uses(RowTraining *a) {
    const int64_t *offsets = a->texts.offsets;
    const int32_t *ids = a->texts.ids;
    for (int64_t i = offsets[0]; i < offsets[a->texts.count]; i++) a->starts[ids[i] + 2]++;
    for (Index word = 1; word < a->distinct; word++) a->starts[word + 1] += a->starts[word];
    for (Index b = 0; b < a->texts.count; b++)
        for (int64_t i = offsets[b]; i < offsets[b + 1]; i++)
            a->used[a->starts[ids[i] + 1]++] = i - offsets[0] + b * (a->layers.sizes[0] - 1);
}

static int do_row_layers_back(RowTraining *a) {
    const Index positions = (Index)(a->texts.offsets[a->texts.count] - a->texts.offsets[0]);
    const Index windows = plus(positions, times(a->texts.count, a->layers.sizes[0] - 1));
    const Index of_filters = plus(a->layers.padded, a->layers.biases_count);
    const Index of_words = times(2 * a->channels, all_slots(a));
    a->blocks = BLOCKS_OF_TEXTS;
    a->halves = room(of_words, sizeof(float));
    a->padded = room(a->layers.padded, sizeof(float));
    a->windows_grad = room(times(windows, one_slot(a)), sizeof(float));
    a->starts = zero_room(a->distinct + 1, sizeof(int64_t));
    a->used = room(positions, sizeof(int64_t));
    a->sums = room(times(a->blocks, of_words > of_filters ? of_words : of_filters), sizeof(float));
    int done = find_texts(a) && a->halves && a->padded && a->windows_grad && a->starts && a->used && a->sums;
    if (done) {
        loops.turn_filters_loop(&a->layers, a->padded);
        done = run(share_row_layers_back, a, a->blocks, NULL, a->threads, products_of_texts(a));
    }
    if (done) {
        loops.sum_filters_loop(a);
        loops.halve_filters_loop(a);
        find_uses(a);
        done = run(share_words_back, a, a->blocks, NULL, a->threads, products_of_words(a));
    }
    if (done) loops.sum_halves_loop(a);
    free(a->halves), free(a->padded), free(a->windows_grad), free(a->starts), free(a->used), free(a->sums);
    free(a->values_at), free(a->places_at);
    return done;
}

FUNCTION(row_layers_back, RowTraining, do_row_layers_back(a))

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

/* What the optimisers have in common. A row's last step is 0 to `steps` less `before`. */
static Rows take_rows(Arguments *from, Index before) {
    Rows a = {.table = take_writable(from, "table", FLOAT32, 2)};
    const Index rows = from->shape[0];
    a.dimension = from->shape[1];
    a.first = take_writable(from, "first", FLOAT32, 2);
    expect(from, rows, a.dimension);
    a.second = take_writable(from, "second", FLOAT32, 2);
    expect(from, rows, a.dimension);
    a.last = take_writable(from, "last", INT64, 1);
    expect(from, rows);
    a.words = take(from, "words", INT64, 1);
    a.count = from->shape[0];
    a.steps = take_number(from, "steps", before, PY_SSIZE_T_MAX);
    a.threads = take_threads(from);
    for (Index u = 0; !PyErr_Occurred() && u < a.count; u++) {
        const int64_t word = a.words[u];
        if (word < 0 || word >= rows) wrong_item("words", "rows from 0 to", rows - 1, word, u);
        else if (a.last[word] < 0 || a.last[word] > a.steps - before)
            wrong_item("last", "steps from 0 to", a.steps - before, a.last[word], word);
    }
    return a;
}

static void take_gradient(Arguments *from, Rows *a) {
    a->grad = take(from, "grad", FLOAT32, 2);
    expect(from, a->count, a->dimension);
    a->rate = take_real(from, "rate");
}

static Rows take_settle_adam(Arguments *from) {
    Rows a = take_rows(from, 0);
    a.owed = take(from, "owed", FLOAT64, 1);
    const Index owed = from->shape[0];
    for (Index u = 0; !PyErr_Occurred() && u < a.count; u++) {
        const int64_t last = a.last[a.words[u]];
        if (last < a.steps && last >= owed)
            PyErr_Format(PyExc_ValueError, "owed: expected a number for each step up to %zd, found %zd", last, owed);
    }
    a.epsilon = take_real(from, "epsilon");
    a.beta1 = take_real(from, "beta1"), a.beta2 = take_real(from, "beta2");
    return a;
}

static Rows take_step_adam(Arguments *from) {
    Rows a = take_rows(from, 0);
    take_gradient(from, &a);
    a.epsilon = take_real(from, "epsilon");
    a.beta1 = take_real(from, "beta1"), a.beta2 = take_real(from, "beta2");
    return a;
}

static Rows take_step_adadelta(Arguments *from) {
    Rows a = take_rows(from, 1);
    take_gradient(from, &a);
    a.epsilon = take_real(from, "epsilon");
    a.beta1 = take_real(from, "rho");
    return a;
}

static int share_settle_adam(const void *arguments, Index begin, Index end) {
    loops.settle_adam_loop(arguments, begin, end);
    return 1;
}

static int share_step_adam(const void *arguments, Index begin, Index end) {
    loops.step_adam_loop(arguments, begin, end);
    return 1;
}

static int share_step_adadelta(const void *arguments, Index begin, Index end) {
    loops.step_adadelta_loop(arguments, begin, end);
    return 1;
}

static int run_rows(Share share, const Rows *a) {
    return run(share, a, a->count, NULL, a->threads, 4.0 * (double)a->dimension * (double)a->count);
}

FUNCTION(settle_adam, Rows, run_rows(share_settle_adam, a))
FUNCTION(step_adam, Rows, run_rows(share_step_adam, a))
FUNCTION(step_adadelta, Rows, run_rows(share_step_adadelta, a))

#include "_texts.h"

#define METHOD(name) {#name, (PyCFunction)(void (*)(void))py_##name, METH_FASTCALL, NULL},

static PyMethodDef methods[] = {
    METHOD(max_windows) METHOD(max_logits) METHOD(code_logits) METHOD(max_windows_back) METHOD(sum_windows)
    METHOD(sum_windows_back) METHOD(k_max) METHOD(k_windows) METHOD(mean_windows) METHOD(mean_windows_back) METHOD(row_logits)
    METHOD(row_layers) METHOD(row_layers_back) METHOD(settle_adam) METHOD(step_adam) METHOD(step_adadelta)
    METHOD(number_words) METHOD(make_words) METHOD(encode_texts) METHOD(make_ngrams) METHOD(find_ngrams)
    METHOD(ngram_logits)
    {"limit_spinning", py_limit_spinning, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) {
    choose_loops();
    return find_numpy() && choose_secrets() ? PyModule_Create(&definition) : NULL;
}
