/* Arguments from Python: a function takes its own by name, one after the other, and checks them before its loop runs.

   The first fault raises TypeError or ValueError; everything after it takes nothing and checks nothing, so that a
   function asks once, at the end (`all_taken`). Results are new numpy arrays. */

#define MOST_BUFFERS 20
#define MOST_RESULTS 4
#define MOST_DIMENSIONS 4
#define MOST_THREADS 1024

typedef enum { FLOAT32, INT32, INT64, UINT8, UINT32, FLOAT64, INT8, INT16, KINDS } Kind;

static const struct {
    const char *name, *formats; /* the struct module's letters for it */
    Py_ssize_t size;
} kinds[KINDS] = {{"float32", "f", 4}, {"int32", "il", 4}, {"int64", "lq", 8},
                  {"uint8", "B", 1},   {"uint32", "IL", 4}, {"float64", "d", 8},
                  {"int8", "b", 1},    {"int16", "h", 2}};

typedef struct {
    PyObject *const *next, *const *end; /* arguments not taken yet */
    const char *name;                   /* of the one taken last, and its shape */
    int dimensions;
    Index shape[MOST_DIMENSIONS];
    Py_buffer views[MOST_BUFFERS];
    PyObject *results[MOST_RESULTS];
    int taken, made;
} Arguments;

static PyObject *numpy_empty, *numpy_types[KINDS];

static int find_numpy(void) {
    PyObject *numpy = PyImport_ImportModule("numpy");
    if (!numpy) return 0;
    numpy_empty = PyObject_GetAttrString(numpy, "empty");
    for (int kind = 0; kind < KINDS && numpy_empty && !PyErr_Occurred(); kind++)
        numpy_types[kind] = PyObject_CallMethod(numpy, "dtype", "s", kinds[kind].name);
    Py_DECREF(numpy);
    return !PyErr_Occurred();
}

/* ---- checked arithmetic: a size that does not fit is the largest, which no array has ----------------------------- */

static Index times(Index a, Index b) {
    Index product;
    return __builtin_mul_overflow(a, b, &product) ? PY_SSIZE_T_MAX : product;
}

static Index plus(Index a, Index b) {
    Index sum;
    return __builtin_add_overflow(a, b, &sum) ? PY_SSIZE_T_MAX : sum;
}

/* ---- taking ------------------------------------------------------------------------------------------------------ */

static PyObject *next_argument(Arguments *from, const char *name) {
    if (PyErr_Occurred()) return NULL;
    from->name = name;
    if (from->next < from->end) return *from->next++;
    PyErr_Format(PyExc_TypeError, "%s: expected this argument, found none", name);
    return NULL;
}

static int is_of(Kind kind, const Py_buffer *view) {
    const char *format = view->format ? view->format : "B";
    if (*format == '@' || *format == '=' || *format == (PY_LITTLE_ENDIAN ? '<' : '>')) format++;
    return format[0] && !format[1] && strchr(kinds[kind].formats, format[0]) && view->itemsize == kinds[kind].size;
}

static void wrong_kind(const Arguments *from, Kind kind, const Py_buffer *view) {
    for (int other = 0; other < KINDS; other++)
        if (is_of(other, view)) {
            PyErr_Format(PyExc_TypeError, "%s: expected an array of %s, found one of %s", from->name, kinds[kind].name,
                         kinds[other].name);
            return;
        }
    PyErr_Format(PyExc_TypeError, "%s: expected an array of %s, found one of items '%s' of %zd bytes", from->name,
                 kinds[kind].name, view->format ? view->format : "B", view->itemsize);
}

static char nothing[64]; /* what an empty array points to */

/* The memory of an array, contiguous and with `dimensions` dimensions. */
static void *take_memory(Arguments *from, const char *name, Kind kind, int dimensions, int writable) {
    PyObject *object = next_argument(from, name);
    if (!object) return NULL;
    Py_buffer *view = &from->views[from->taken];
    if (!PyObject_CheckBuffer(object)) {
        PyErr_Format(PyExc_TypeError, "%s: expected an array, found %s", name, Py_TYPE(object)->tp_name);
        return NULL;
    }
    if (PyObject_GetBuffer(object, view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0))) {
        PyErr_Format(PyExc_ValueError, "%s: expected a contiguous%s array, found another", name,
                     writable ? " and writable" : "");
        return NULL;
    }
    from->taken++;
    if (!is_of(kind, view)) {
        wrong_kind(from, kind, view);
        return NULL;
    }
    if (view->ndim != dimensions) {
        PyErr_Format(PyExc_ValueError, "%s: expected %d dimensions, found %d", name, dimensions, view->ndim);
        return NULL;
    }
    if ((uintptr_t)view->buf % (size_t)view->itemsize) {
        PyErr_Format(PyExc_ValueError, "%s: expected an aligned array, found one at an odd address", name);
        return NULL;
    }
    from->dimensions = dimensions;
    for (int i = 0; i < dimensions; i++) from->shape[i] = view->shape[i];
    return view->len ? view->buf : nothing;
}

static const void *take(Arguments *from, const char *name, Kind kind, int dimensions) {
    return take_memory(from, name, kind, dimensions, 0);
}

static void *take_writable(Arguments *from, const char *name, Kind kind, int dimensions) {
    return take_memory(from, name, kind, dimensions, 1);
}

/* "(3, 100)" */
static void describe(char *text, size_t room, int dimensions, const Index *shape) {
    size_t used = (size_t)PyOS_snprintf(text, room, "(");
    for (int i = 0; i < dimensions && used < room; i++)
        used += (size_t)PyOS_snprintf(text + used, room - used, i ? ", %zd" : "%zd", shape[i]);
    if (used < room) PyOS_snprintf(text + used, room - used, dimensions == 1 ? ",)" : ")");
}

/* The array taken last has this shape. */
#define expect(from, ...) expect_shape(from, (const Index[MOST_DIMENSIONS]){__VA_ARGS__})

static void expect_shape(const Arguments *from, const Index *expected) {
    if (PyErr_Occurred()) return;
    for (int i = 0; i < from->dimensions; i++)
        if (from->shape[i] != expected[i]) {
            char wanted[100], found[100];
            describe(wanted, sizeof(wanted), from->dimensions, expected);
            describe(found, sizeof(found), from->dimensions, from->shape);
            PyErr_Format(PyExc_ValueError, "%s: expected the shape %s, found %s", from->name, wanted, found);
            return;
        }
}

static Index take_number(Arguments *from, const char *name, Index least, Index most) {
    PyObject *object = next_argument(from, name);
    if (!object) return least;
    if (!PyIndex_Check(object)) {
        PyErr_Format(PyExc_TypeError, "%s: expected a whole number, found %s", name, Py_TYPE(object)->tp_name);
        return least;
    }
    Index number = PyNumber_AsSsize_t(object, PyExc_OverflowError);
    if (!PyErr_Occurred() && number >= least && number <= most) return number;
    if (most == PY_SSIZE_T_MAX)
        PyErr_Format(PyExc_ValueError, "%s: expected %zd or more, found %R", name, least, object);
    else PyErr_Format(PyExc_ValueError, "%s: expected %zd to %zd, found %R", name, least, most, object);
    return least;
}

static double take_real(Arguments *from, const char *name) {
    PyObject *object = next_argument(from, name);
    if (!object) return 0;
    double number = PyFloat_AsDouble(object);
    if (PyErr_Occurred())
        PyErr_Format(PyExc_TypeError, "%s: expected a number, found %s", name, Py_TYPE(object)->tp_name);
    return number;
}

static int take_truth(Arguments *from, const char *name) {
    PyObject *object = next_argument(from, name);
    return object && PyObject_IsTrue(object) > 0;
}

static Index take_threads(Arguments *from) { return take_number(from, "threads", 1, MOST_THREADS); }

/* ---- checks of what an array holds ------------------------------------------------------------------------------- */

static void wrong_item(const char *name, const char *expected, Index most, Index found, Index index) {
    PyErr_Format(PyExc_ValueError, "%s: expected %s %zd, found %zd at index %zd", name, expected, most, found, index);
}

/* offsets start at 0 or more, never fall, and end at `most` or less; the largest difference. */
static Index check_offsets(const int64_t *offsets, Index count, Index most) {
    Index longest = 0;
    if (PyErr_Occurred()) return 0;
    if (count < 0) PyErr_SetString(PyExc_ValueError, "offsets: expected one or more, found none");
    int64_t before = 0;
    for (Index i = 0; i <= count; i++) {
        if (offsets[i] < before || offsets[i] > most) {
            wrong_item("offsets", "numbers that never fall, from 0 to at most", most, offsets[i], i);
            return 0;
        }
        if (i && offsets[i] - before > longest) longest = offsets[i] - before;
        before = offsets[i];
    }
    return longest;
}

static void check_range(const char *name, const int32_t *numbers, Index begin, Index end, int32_t least, Index most) {
    if (PyErr_Occurred()) return;
    int32_t smallest = least, largest = least;
    for (Index i = begin; i < end; i++) {
        smallest = numbers[i] < smallest ? numbers[i] : smallest;
        largest = numbers[i] > largest ? numbers[i] : largest;
    }
    if (begin == end || (smallest >= least && largest <= most)) return;
    while (numbers[begin] >= least && numbers[begin] <= most) begin++;
    PyErr_Format(PyExc_ValueError, "%s: expected numbers from %d to %zd, found %d at index %zd", name, least, most,
                 numbers[begin], begin);
}

static void check_ids(const int32_t *ids, Index begin, Index end, Index rows) {
    check_range("ids", ids, begin, end, 0, rows - 1);
}

/* Numbers of items, 0 to `most` each. */
static void check_counts(const char *name, const int64_t *counts, Index count, Index most) {
    if (PyErr_Occurred()) return;
    for (Index i = 0; i < count; i++)
        if (counts[i] < 0 || counts[i] > most) {
            wrong_item(name, "numbers from 0 to", most, counts[i], i);
            return;
        }
}

/* The loops count some things in 32 bits. */
static void check_32_bits(const char *what, Index size) {
    if (!PyErr_Occurred() && size > INT32_MAX)
        PyErr_Format(PyExc_ValueError, "%s: expected at most %d, found %zd", what, INT32_MAX, size);
}

/* ---- what several functions take --------------------------------------------------------------------------------- */

static Texts take_texts(Arguments *from, Index rows) {
    Texts texts = {0};
    texts.ids = take(from, "ids", INT32, 1);
    Index words = from->shape[0];
    texts.offsets = take(from, "offsets", INT64, 1);
    texts.count = from->shape[0] - 1;
    texts.longest = check_offsets(texts.offsets, texts.count, words);
    if (!PyErr_Occurred()) check_ids(texts.ids, texts.offsets[0], texts.offsets[texts.count], rows);
    return texts;
}

static Table take_table(Arguments *from) {
    Table table = {.numbers = take(from, "table", FLOAT32, 3)};
    table.words = from->shape[0], table.slots = from->shape[1], table.maps = from->shape[2];
    return table;
}

/* Region sizes, the words of a window, summing to the table's slots; texts as long as 32 bits can count. */
static Regions take_regions(Arguments *from, Index slots, const Texts *texts) {
    Regions regions = {.sizes = take(from, "sizes", INT32, 1)};
    regions.count = from->shape[0];
    Index sum = 0;
    for (Index r = 0; !PyErr_Occurred() && r < regions.count; r++) {
        if (regions.sizes[r] < 1 || (sum = plus(sum, regions.sizes[r])) > slots)
            wrong_item("sizes", "numbers from 1 summing to", slots, regions.sizes[r], r);
        if (regions.sizes[r] > regions.largest) regions.largest = regions.sizes[r];
    }
    if (!PyErr_Occurred() && sum != slots)
        PyErr_Format(PyExc_ValueError, "sizes: expected a sum of %zd, the slots, found %zd", slots, sum);
    check_32_bits("words of a text", plus(texts->longest, regions.largest));
    return regions;
}

/* Windows of one size: slots `slot` to `slot + size - 1` of a table. */
static void take_window(Arguments *from, Index slots, const Texts *texts, Index *size, Index *slot, int *wide) {
    *size = take_number(from, "size", 1, slots);
    *slot = take_number(from, "slot", 0, slots - *size);
    *wide = take_truth(from, "wide");
    check_32_bits("words of a text", plus(texts->longest, *size));
}

static Index windows_of_longest(const Texts *texts, Index size, int wide) {
    return PyErr_Occurred() ? 0 : windows_of_plain(texts->longest, size, wide).count;
}

/* Where windows start: one that touches a word of its text. */
static void check_where(const MaxWindowsBack *a) {
    if (PyErr_Occurred()) return;
    for (Index b = 0; b < a->texts.count; b++) {
        const Index length = a->texts.offsets[b + 1] - a->texts.offsets[b], most = length ? length - 1 : 0;
        for (Index r = 0; r < a->regions.count; r++) {
            const int32_t *where = a->where + (b * a->regions.count + r) * a->k * a->maps;
            int wrong = 0;
            for (Index i = 0; i < a->k * a->maps; i++)
                wrong |= ((where[i] <= -a->regions.sizes[r]) & (where[i] != NO_WINDOW)) | (where[i] > most);
            if (!wrong) continue;
            PyErr_Format(PyExc_ValueError, "where: expected starts from %d to %zd in text %zd, found others",
                         1 - a->regions.sizes[r], most, b);
            return;
        }
    }
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* The memory of a new array, not yet filled. */
#define make(to, kind, ...)                                                                                           \
    make_array(to, kind, (int)(sizeof((Index[]){__VA_ARGS__}) / sizeof(Index)), (const Index[]){__VA_ARGS__})

static void *make_array(Arguments *to, Kind kind, int dimensions, const Index *shape) {
    if (PyErr_Occurred()) return NULL;
    PyObject *sizes = PyTuple_New(dimensions);
    for (int i = 0; sizes && i < dimensions; i++) PyTuple_SET_ITEM(sizes, i, PyLong_FromSsize_t(shape[i]));
    if (PyErr_Occurred()) return Py_XDECREF(sizes), NULL;
    PyObject *array = PyObject_CallFunctionObjArgs(numpy_empty, sizes, numpy_types[kind], NULL);
    Py_DECREF(sizes);
    if (!array) return NULL;
    to->results[to->made++] = array;
    Py_buffer *view = &to->views[to->taken];
    if (PyObject_GetBuffer(array, view, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE)) return NULL;
    to->taken++;
    return view->len ? view->buf : nothing;
}

static void start(Arguments *from, PyObject *const *args, Py_ssize_t given) {
    from->next = args, from->end = args + given;
    from->taken = from->made = from->dimensions = 0;
    memset(from->shape, 0, sizeof(from->shape));
}

/* Release what was taken; the results, an error where there is one or no memory was left. */
static PyObject *finish(Arguments *from, int done) {
    while (from->taken) PyBuffer_Release(&from->views[--from->taken]);
    if (!done && !PyErr_Occurred()) PyErr_NoMemory();
    PyObject *result = NULL;
    if (!PyErr_Occurred()) {
        if (from->made < 2) result = Py_NewRef(from->made ? from->results[0] : Py_None);
        else if ((result = PyTuple_New(from->made)))
            for (int i = 0; i < from->made; i++) PyTuple_SET_ITEM(result, i, Py_NewRef(from->results[i]));
    }
    while (from->made) Py_DECREF(from->results[--from->made]);
    return result;
}

static int all_taken(Arguments *from) {
    if (!PyErr_Occurred() && from->next < from->end)
        PyErr_Format(PyExc_TypeError, "%s: expected to be the last argument, found %zd more", from->name,
                     (Py_ssize_t)(from->end - from->next));
    return !PyErr_Occurred();
}
