import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textcnn.text.tokens import Encoded
from textcnn.training._batching import POOL, Batcher, ordered_batches, training_batches


def corpus(lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Encoded(np.arange(2, offsets[-1] + 2, dtype=np.int32), offsets)


def split(batch):
    return [part.tolist() for part in batch.distinct[batch.inverse].split(batch.lengths.tolist())]


@given(lengths=st.lists(st.integers(0, 9), min_size=1, max_size=40), size=st.integers(1, 7), seed=st.integers(0, 9))
def test_an_epoch_has_each_text_once(lengths, size, seed):
    texts = corpus(lengths)
    seen = {}
    batches = list(training_batches(texts, batch_size=size, generator=np.random.default_rng(seed)))
    for rows, batch in batches:
        assert len(batch.lengths) <= size
        seen.update(zip(rows.tolist(), split(batch), strict=True))
    assert seen == {i: texts.ids[texts.offsets[i] : texts.offsets[i + 1]].tolist() for i in range(len(lengths))}
    assert len(batches) == -(-len(lengths) // size)


@given(lengths=st.lists(st.integers(0, 9), max_size=30), size=st.integers(1, 7))
def test_ordered_batches_come_with_their_rows(lengths, size):
    texts = corpus(lengths)
    rows = []
    for batch_rows, batch in ordered_batches(texts, batch_size=size):
        assert batch.lengths.tolist() == [lengths[row] for row in batch_rows]
        rows += batch_rows.tolist()
    assert sorted(rows) == list(range(len(lengths)))


def test_batches_hold_texts_of_similar_length():
    generator = np.random.default_rng(0)
    lengths = generator.integers(1, 60, size=2000)
    batches = training_batches(corpus(lengths), batch_size=20, generator=generator)
    spread = np.mean([int(b.lengths.max() - b.lengths.min()) for _, b in batches])
    assert spread < 60 / POOL * 3


def test_a_very_long_text_is_a_batch_by_itself(monkeypatch):
    monkeypatch.setattr("textcnn.training._batching.POSITIONS", 100)
    lengths = [3] * 50 + [60, 70, 500]
    for batches in (
        training_batches(corpus(lengths), batch_size=20, generator=np.random.default_rng(0)),
        ordered_batches(corpus(lengths), batch_size=20),
    ):
        seen = []
        for rows, batch in batches:
            assert len(rows) == 1 or len(rows) * int(batch.lengths.max()) <= 100
            seen += rows.tolist()
        assert sorted(seen) == list(range(53))


def test_the_order_depends_on_the_seed():
    def order(seed):
        batches = training_batches(corpus([3] * 50), batch_size=8, generator=np.random.default_rng(seed))
        return [row for rows, _ in batches for row in rows.tolist()]

    assert order(1) == order(1)
    assert order(1) != order(2)


def test_a_batch_keeps_the_order_of_its_rows():
    batch = Batcher(corpus([2, 0, 3])).batch(np.array([2, 1, 0]))
    assert split(batch) == [[4, 5, 6], [], [2, 3]]
