/* Words and n-grams to numbers. Tables that calls share are capsules, which hold only what was checked. */

/* ---- distinct ids ------------------------------------------------------------------------------------------------ */

typedef struct {
    const int32_t *ids; /* (N,) */
    int32_t *numbers;   /* scratch, (V,): with an id, 1 + its index among the distinct ones */
    Index count;
    int64_t *words;     /* the distinct ids, room for N, and in the end how many they are */
    int32_t *places;    /* which of them each id is, (N,) */
} NumberWords;

static int do_number_words(const NumberWords *a) {
    Index found = 0;
    for (Index i = 0; i < a->count; i++) {
        const int32_t id = a->ids[i];
        uint32_t number = (uint32_t)a->numbers[id] - 1;
        if (number >= (uint64_t)found || a->words[number] != id) { /* whatever the scratch held */
            number = (uint32_t)found;
            a->words[found++] = id;
            a->numbers[id] = (int32_t)found;
        }
        a->places[i] = (int32_t)number;
    }
    for (Index i = 0; i < found; i++) a->numbers[a->words[i]] = 0;
    a->words[a->count] = found;
    return 1;
}

static NumberWords take_number_words(Arguments *from) {
    NumberWords a = {.ids = take(from, "ids", INT32, 1)};
    a.count = from->shape[0];
    check_32_bits("ids", a.count);
    a.numbers = take_writable(from, "numbers", INT32, 1);
    check_ids(a.ids, 0, a.count, from->shape[0]);
    a.words = make(from, INT64, a.count + 1);
    a.places = make(from, INT32, a.count);
    return a;
}

FUNCTION(number_words, NumberWords, do_number_words(a))

/* ---- hashing ----------------------------------------------------------------------------------------------------- */

/* Multiply and fold, as in wyhash, with numbers that are random in each process: nobody who does not know them can
   choose words or n-grams that fall into the same slots. Results do not depend on them. */
static uint64_t secrets[4];

static int choose_secrets(void) {
    PyObject *os = PyImport_ImportModule("os");
    PyObject *bytes = os ? PyObject_CallMethod(os, "urandom", "n", (Py_ssize_t)sizeof(secrets)) : NULL;
    if (bytes) memcpy(secrets, PyBytes_AS_STRING(bytes), sizeof(secrets));
    Py_XDECREF(os), Py_XDECREF(bytes);
    return bytes != NULL;
}

/* The two halves of the product, one laid over the other. */
static inline uint64_t fold(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    const uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    const uint64_t middle = a_high * b_low + (a_low * b_low >> 32), other = a_low * b_high + (uint32_t)middle;
    return a * b ^ (a_high * b_high + (middle >> 32) + (other >> 32));
#endif
}

static inline uint64_t load_64(const char *from) {
    uint64_t number;
    memcpy(&number, from, sizeof(number));
    return number;
}

static inline uint64_t load_32(const char *from) {
    uint32_t number;
    memcpy(&number, from, sizeof(number));
    return number;
}

static inline size_t hash_bytes(const char *bytes, size_t length) {
    uint64_t hash = secrets[0], first = 0, last = 0;
    const char *const end = bytes + length;
    for (; end - bytes > 16; bytes += 16) hash = fold(load_64(bytes) ^ secrets[1], load_64(bytes + 8) ^ hash);
    const Index rest = end - bytes; /* up to 16, which may overlap */
    if (rest >= 8) first = load_64(bytes), last = load_64(end - 8);
    else if (rest >= 4) first = load_32(bytes), last = load_32(end - 4);
    else if (rest) first = (uint64_t)(uint8_t)bytes[0] << 16 | (uint64_t)(uint8_t)bytes[rest / 2] << 8 | (uint8_t)end[-1];
    hash = fold(first ^ secrets[1], last ^ hash);
    return (size_t)fold(hash ^ secrets[2], (uint64_t)length ^ secrets[3]);
}

static inline size_t hash_number(int64_t number) {
    return (size_t)fold(fold((uint64_t)number ^ secrets[0], secrets[1]) ^ secrets[2], secrets[3]);
}

/* ---- texts to ids ------------------------------------------------------------------------------------------------ */

/* A vocabulary as a hash table: slots (a power of two of them) hold 1 + the number of a word, or 0. */
typedef struct {
    int32_t *slots;
    size_t mask;
    const char *words; /* one after the other */
    int64_t *offsets;  /* of each in them: a copy, since a caller's array may change */
    Index count;
    Py_buffer view; /* of the words */
} Words;

#define WORDS "textcnn.kernels.words"

/* At least twice as many slots as there are items, a power of two. */
static size_t slots_for(Index count) {
    size_t slots = 16;
    while (slots <= 2 * (size_t)count) slots *= 2;
    return slots;
}

/* The buffer taken last, to keep after the call. */
static Py_buffer keep(Arguments *from) { return from->views[--from->taken]; }

static const void *take_capsule(Arguments *from, const char *name, const char *kind) {
    PyObject *object = next_argument(from, name);
    if (!object) return NULL;
    if (PyCapsule_IsValid(object, kind)) return PyCapsule_GetPointer(object, kind);
    PyErr_Format(PyExc_TypeError, "%s: expected a table of this module, found %s", name, Py_TYPE(object)->tp_name);
    return NULL;
}

static size_t slot_of(const Words *words, const char *token, size_t length) {
    for (size_t slot = hash_bytes(token, length) & words->mask;; slot = (slot + 1) & words->mask) {
        int32_t number = words->slots[slot];
        if (!number) return slot;
        const int64_t *offset = words->offsets + number - 1;
        if ((size_t)(offset[1] - offset[0]) == length && !memcmp(words->words + offset[0], token, length)) return slot;
    }
}

static void free_words(PyObject *capsule) {
    Words *words = PyCapsule_GetPointer(capsule, WORDS);
    PyBuffer_Release(&words->view);
    free(words->slots), free(words->offsets), free(words);
}

static PyObject *py_make_words(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t given) {
    Arguments from;
    start(&from, args, given);
    const int64_t *offsets = take(&from, "offsets", INT64, 1);
    const Index count = from.shape[0] - 1;
    check_32_bits("words", plus(count, 2));
    const char *characters = take(&from, "words", UINT8, 1);
    check_offsets(offsets, count, from.shape[0]);
    if (!all_taken(&from)) return finish(&from, 1);
    Words *words = calloc(1, sizeof(Words));
    const size_t slots = slots_for(count + 1);
    if (words) {
        *words = (Words){zero_room((Index)slots, sizeof(int32_t)), slots - 1, characters,
                         room(count + 1, sizeof(int64_t)), count, {0}};
    }
    PyObject *capsule = NULL;
    if (!words || !words->slots || !words->offsets || !(capsule = PyCapsule_New(words, WORDS, free_words))) {
        if (words) free(words->slots), free(words->offsets), free(words);
        return finish(&from, 0);
    }
    words->view = keep(&from);
    memcpy(words->offsets, offsets, (size_t)(count + 1) * sizeof(int64_t));
    for (Index i = 0; i < count; i++) {
        const char *word = characters + words->offsets[i];
        const size_t length = (size_t)(words->offsets[i + 1] - words->offsets[i]);
        words->slots[slot_of(words, word, length)] = (int32_t)(i + 1);
    }
    from.results[from.made++] = capsule;
    return finish(&from, 1);
}

/* The code point at text[*i], which moves past it; one that is no character where the bytes are not UTF-8. */
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
    Index i = 0;
    if (code < 0x10000) to[i++] = (char)(0xE0 | code >> 12);
    else to[i++] = (char)(0xF0 | (code >> 18 & 7)), to[i++] = (char)(0x80 | (code >> 12 & 0x3F));
    to[i++] = (char)(0x80 | (code >> 6 & 0x3F));
    to[i++] = (char)(0x80 | (code & 0x3F));
    return i;
}

enum { SEPARATOR, SINGLE, WORD, APOSTROPHE, DIFFICULT }; /* kinds of characters, as in `textcnn.text.encoding` */

typedef struct {
    const Words *words;
    const unsigned char *data; /* UTF-8; text b has the bytes data[offsets[b]] to data[offsets[b + 1] - 1] */
    const int64_t *offsets;
    Index texts, longest;
    const unsigned char *kinds; /* of the characters that are not difficult for their number alone */
    const uint32_t *lower;      /* what each of them becomes */
    uint32_t characters;        /* how many they are */
    Index limit;                /* ids of a text at most */
    int32_t first_word, unknown; /* ids */
    int32_t *ids;               /* of all easy texts, one text after the other */
    int64_t *counts;            /* ids of each text, -1 for a difficult one, and in the end of all */
} EncodeTexts;

/* Text b to ids; their number, or -1 where a character is difficult. A token is a run of WORD with single APOSTROPHEs
   within, or any other character that is no SEPARATOR. token is scratch for the text's bytes in lower case, 4 for each
   of its own. */
static Index encode_text(const EncodeTexts *a, Index b, int32_t *ids, char *token) {
    const unsigned char *text = a->data + a->offsets[b], *const kinds = a->kinds;
    const uint32_t *const lower = a->lower, characters = a->characters;
    const Words *const words = a->words;
    const Index length = (Index)(a->offsets[b + 1] - a->offsets[b]), limit = a->limit;
    Index found = 0, size = 0, inner = 0; /* inner: bytes of an apostrophe at the token's end, which may be in it */
    for (Index i = 0;;) {
        int kind = SEPARATOR, single_apostrophe = 0;
        uint32_t code = 0;
        Index end = i < length;
        if (end) {
            code = next_character(text, &i, length);
            kind = code < characters ? kinds[code] : DIFFICULT;
            if (kind >= DIFFICULT) return -1;
            code = lower[code];
        }
        if (kind == APOSTROPHE) {
            if (size && !inner) {
                inner = put_character(token + size, code);
                size += inner;
                continue;
            }
            kind = SINGLE;
        }
        if (kind == WORD) {
            size += put_character(token + size, code);
            inner = 0;
            continue;
        }
        /* The token ends here, before an apostrophe at its end, which is a token of its own. */
        single_apostrophe = inner != 0;
        for (int part = 0; part < 3; part++) {
            char *start = token;
            Index bytes = 0;
            char other[4];
            if (part == 0) {
                bytes = size - inner;
            } else if (part == 1 && single_apostrophe) {
                start = token + size - inner;
                bytes = inner;
            } else if (part == 2 && kind == SINGLE) {
                start = other;
                bytes = put_character(other, code);
            }
            if (!bytes || found == limit) continue;
            int32_t number = words->slots[slot_of(words, start, (size_t)bytes)];
            ids[found++] = number ? number - 1 + a->first_word : a->unknown;
        }
        size = inner = 0;
        if (!end) return found;
    }
}

static EncodeTexts take_encode_texts(Arguments *from) {
    EncodeTexts a = {.words = take_capsule(from, "words", WORDS)};
    a.data = take(from, "data", UINT8, 1);
    const Index bytes = from->shape[0];
    a.offsets = take(from, "offsets", INT64, 1);
    a.texts = from->shape[0] - 1;
    a.longest = check_offsets(a.offsets, a.texts, bytes);
    a.kinds = take(from, "kinds", UINT8, 1);
    const Index characters = from->shape[0];
    a.lower = take(from, "lower", UINT32, 1);
    expect(from, characters);
    a.characters = characters < UINT32_MAX ? (uint32_t)characters : UINT32_MAX;
    a.limit = take_number(from, "limit", 0, PY_SSIZE_T_MAX);
    a.first_word = (int32_t)take_number(from, "first_word", 0, PyErr_Occurred() ? 0 : INT32_MAX - a.words->count);
    a.unknown = (int32_t)take_number(from, "unknown", 0, INT32_MAX);
    if (PyErr_Occurred()) return a;
    a.ids = make(from, INT32, (Index)(a.offsets[a.texts] - a.offsets[0])); /* no more ids than bytes */
    a.counts = make(from, INT64, a.texts + 1);
    return a;
}

static int do_encode_texts(const EncodeTexts *a) {
    char *token = room(plus(a->longest, 1), 4);
    if (!token) return 0;
    int32_t *ids = a->ids;
    for (Index b = 0; b < a->texts; b++) {
        a->counts[b] = encode_text(a, b, ids, token);
        if (a->counts[b] > 0) ids += a->counts[b];
    }
    a->counts[a->texts] = ids - a->ids;
    free(token);
    return 1;
}

FUNCTION(encode_texts, EncodeTexts, do_encode_texts(a))

/* ---- n-grams ----------------------------------------------------------------------------------------------------- */

/* The slot of a key, from that of its hash on. */
static size_t slot_of_key(const int32_t *slots, size_t mask, const int64_t *keys, int64_t key, size_t slot) {
    for (;; slot = (slot + 1) & mask)
        if (!slots[slot] || keys[slots[slot] - 1] == key) return slot;
}

/* Known n-grams, and what their numbers follow from. */
typedef struct {
    const int64_t *keys; /* (G,); only compared, so that no change of them does harm */
    int32_t *slots;
    size_t mask;
    Index order, vocabulary_size, first_word, count;
    Py_buffer view; /* of the keys */
} Ngrams;

#define NGRAMS "textcnn.kernels.ngrams"

static void free_ngrams(PyObject *capsule) {
    Ngrams *ngrams = PyCapsule_GetPointer(capsule, NGRAMS);
    PyBuffer_Release(&ngrams->view);
    free(ngrams->slots), free(ngrams);
}

static PyObject *py_make_ngrams(PyObject *Py_UNUSED(self), PyObject *const *args, Py_ssize_t given) {
    Arguments from;
    start(&from, args, given);
    const Index order = take_number(&from, "order", 1, 62);
    const Index size = take_number(&from, "vocabulary_size", 1, INT32_MAX);
    const Index first_word = take_number(&from, "first_word", 0, size);
    Index numbers = 1; /* of n-grams */
    for (Index i = 0; i < order; i++) numbers = times(numbers, size);
    if (!PyErr_Occurred() && numbers == PY_SSIZE_T_MAX)
        PyErr_Format(PyExc_ValueError, "order: expected vocabulary_size ** order below 2**63, found %zd ** %zd", size,
                     order);
    const int64_t *keys = take(&from, "keys", INT64, 1);
    const Index count = from.shape[0];
    check_32_bits("keys", plus(count, 1));
    for (Index i = 0; !PyErr_Occurred() && i < count; i++)
        if (keys[i] >= numbers || keys[i] <= (i ? keys[i - 1] : -1))
            wrong_item("keys", "rising numbers from 0 to", numbers - 1, keys[i], i);
    if (!all_taken(&from)) return finish(&from, 1);
    Ngrams *known = calloc(1, sizeof(Ngrams));
    const size_t slots = slots_for(count);
    if (known) {
        *known = (Ngrams){keys, zero_room((Index)slots, sizeof(int32_t)), slots - 1, order, size, first_word, count,
                          {0}};
    }
    PyObject *capsule = NULL;
    if (!known || !known->slots || !(capsule = PyCapsule_New(known, NGRAMS, free_ngrams))) {
        if (known) free(known->slots), free(known);
        return finish(&from, 0);
    }
    known->view = keep(&from);
    for (Index i = 0; i < count; i++)
        known->slots[slot_of_key(known->slots, known->mask, keys, keys[i], hash_number(keys[i]) & known->mask)] =
            (int32_t)(i + 1);
    from.results[from.made++] = capsule;
    return finish(&from, 1);
}

#define FEW_NGRAMS 128     /* of a text, which are compared with each other */
#define NGRAMS_AT_ONCE 256 /* looked up together: what is needed for them is fetched ahead */

/* The indices of the known n-grams of text `b`, each once, in the order of their last words; how many, -1 where no
   memory was left. There is room for all n-grams of the text in `rows`. *met, (G + 1,), made when first needed, has 1 +
   the last long text that had each. */
static Index ngrams_of_text(const Ngrams *known, Index b, const Texts *texts, int64_t *rows, int32_t **met) {
    const int32_t *ids = texts->ids + texts->offsets[b], *const slots = known->slots;
    const Index length = (Index)(texts->offsets[b + 1] - texts->offsets[b]);
    const Index order = known->order, size = known->vocabulary_size, first_word = known->first_word;
    const size_t mask = known->mask;
    const int64_t *const keys = known->keys;
    const int few = length <= FEW_NGRAMS / order;
    if (!few && !*met && !(*met = zero_room(known->count, sizeof(int32_t)))) return -1;
    int64_t grams[NGRAMS_AT_ONCE];
    size_t first[NGRAMS_AT_ONCE];
    Index found = 0;
    for (Index i = 0; i < length;) {
        Index count = 0;
        for (; i < length && count + order <= NGRAMS_AT_ONCE; i++) {
            int64_t key = 0, unit = 1; /* below V ** order, which was checked */
            for (Index j = i; j >= 0 && j > i - order && ids[j] >= first_word; j--) {
                key += ids[j] * unit;
                unit *= size;
                first[count] = hash_number(key) & mask;
                __builtin_prefetch(slots + first[count]);
                grams[count++] = key;
            }
        }
        for (Index k = 0; k < count; k++) {
            int32_t number = slots[first[k]];
            if (number) __builtin_prefetch(keys + number - 1);
        }
        for (Index k = 0; k < count; k++) {
            int32_t number = slots[slot_of_key(slots, mask, keys, grams[k], first[k])];
            if (!number) continue;
            if (few) {
                Index other = 0;
                while (other < found && rows[other] != number - 1) other++;
                if (other < found) continue;
            } else {
                if ((*met)[number] == b + 1) continue;
                (*met)[number] = (int32_t)(b + 1);
            }
            rows[found++] = number - 1;
        }
    }
    return found;
}

typedef struct {
    const Ngrams *known;
    Texts texts;
    int64_t *rows, *counts; /* of each text one after the other; how many each text has, and in the end all */
} FindNgrams;

static const Ngrams *take_known(Arguments *from, Texts *texts) {
    const Ngrams *known = take_capsule(from, "ngrams", NGRAMS);
    *texts = take_texts(from, known ? known->vocabulary_size : 0);
    check_32_bits("texts", plus(texts->count, 1));
    return known;
}

static FindNgrams take_find_ngrams(Arguments *from) {
    FindNgrams a = {.texts = {0}};
    a.known = take_known(from, &a.texts);
    if (PyErr_Occurred()) return a;
    const Index words = (Index)(a.texts.offsets[a.texts.count] - a.texts.offsets[0]);
    a.rows = make(from, INT64, times(words, a.known->order));
    a.counts = make(from, INT64, a.texts.count + 1);
    return a;
}

static int do_find_ngrams(const FindNgrams *a) {
    int64_t *rows = a->rows;
    int32_t *met = NULL;
    Index found = 0;
    for (Index b = 0; b < a->texts.count && found >= 0; b++) {
        found = ngrams_of_text(a->known, b, &a->texts, rows, &met);
        a->counts[b] = found;
        rows += found;
    }
    a->counts[a->texts.count] = rows - a->rows;
    free(met);
    return found >= 0;
}

FUNCTION(find_ngrams, FindNgrams, do_find_ngrams(a))

typedef struct {
    const Ngrams *known;
    Texts texts;
    const float *factors, *weights; /* (G,), (G, K) */
    Index classes;
    float scale;
    float *logits; /* (B, K) */
} NgramLogits;

static NgramLogits take_ngram_logits(Arguments *from) {
    NgramLogits a = {.texts = {0}};
    a.known = take_known(from, &a.texts);
    const Index count = a.known ? a.known->count : 0;
    a.factors = take(from, "factors", FLOAT32, 1);
    expect(from, count);
    a.weights = take(from, "weights", FLOAT32, 2);
    a.classes = from->shape[1];
    expect(from, count, a.classes);
    a.scale = (float)take_real(from, "scale");
    a.logits = make(from, FLOAT32, a.texts.count, a.classes);
    return a;
}

static int do_ngram_logits(const NgramLogits *a) {
    const Index classes = a->classes;
    int64_t *rows = room(times(a->known->order, a->texts.longest), sizeof(int64_t));
    int32_t *met = NULL;
    Index found = rows ? 0 : -1;
    float *logits = a->logits;
    for (Index b = 0; b < a->texts.count && found >= 0; b++, logits += classes) {
        found = ngrams_of_text(a->known, b, &a->texts, rows, &met);
        float squares = 0;
        for (Index i = 0; i < found; i++) {
            __builtin_prefetch(a->factors + rows[i]);
            __builtin_prefetch(a->weights + rows[i] * classes);
        }
        for (Index k = 0; k < classes; k++) logits[k] = 0;
        for (Index i = 0; i < found; i++) {
            const float t = a->factors[rows[i]], *of = a->weights + rows[i] * classes;
            squares += t * t;
            for (Index k = 0; k < classes; k++) logits[k] += t * of[k];
        }
        if (found > 0)
            for (Index k = 0; k < classes; k++) logits[k] *= a->scale / sqrtf(squares);
    }
    free(met), free(rows);
    return found >= 0;
}

FUNCTION(ngram_logits, NgramLogits, do_ngram_logits(a))
