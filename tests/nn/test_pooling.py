import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from textcnn.nn._pooling import average_pool, k_max_pool, local_max_pool, max_pool

# Few distinct values, so that ties are frequent.
VALUES = st.sampled_from([-2.0, -1.0, 0.0, 0.5, 3.0, -float("inf")])


@st.composite
def responses(draw):
    batch, positions, maps = draw(st.integers(1, 4)), draw(st.integers(1, 7)), draw(st.integers(1, 3))
    values = draw(st.lists(VALUES, min_size=batch * positions * maps, max_size=batch * positions * maps))
    counts = draw(st.lists(st.integers(0, positions), min_size=batch, max_size=batch))
    return torch.tensor(values).view(batch, positions, maps), torch.tensor(counts)


def naive_k_max(values, k):
    """Return the indices of the k largest values, ascending; ties go to the smaller index."""
    chosen = sorted(range(len(values)), key=lambda i: (-values[i], i))[:k]
    return sorted(chosen)


@given(responses())
def test_max_equals_a_loop(case):
    x, counts = case
    pooled = max_pool(x, counts)
    for b, count in enumerate(counts.tolist()):
        for f in range(x.shape[2]):
            assert pooled[b, f] == (max(x[b, :count, f].tolist()) if count else 0.0)


@given(responses())
def test_the_gradient_of_a_tie_goes_to_the_smaller_index(case):
    x, counts = case
    x = x.nan_to_num(neginf=-9.0).requires_grad_()
    max_pool(x, counts).sum().backward()
    for b, count in enumerate(counts.tolist()):
        for f in range(x.shape[2]):
            values = x[b, :count, f].tolist()
            expected = [0.0] * x.shape[1]
            if count:
                expected[values.index(max(values))] = 1.0
            assert x.grad[b, :, f].tolist() == expected


@given(responses())
def test_average_equals_a_loop(case):
    x, counts = case
    x = x.nan_to_num(neginf=-9.0)
    pooled = average_pool(x, counts)
    for b, count in enumerate(counts.tolist()):
        for f in range(x.shape[2]):
            expected = sum(x[b, :count, f].tolist()) / count if count else 0.0
            assert pooled[b, f].item() == pytest.approx(expected, abs=1e-5)


@given(responses(), st.integers(1, 4) | st.just(2**32))
def test_local_max_equals_a_loop(case, size):
    x, counts = case
    pooled, groups = local_max_pool(x, counts, size)
    assert pooled.shape[1] == -(-x.shape[1] // size)
    for b, count in enumerate(counts.tolist()):
        assert groups[b] == -(-count // size)
        for f in range(x.shape[2]):
            values = x[b, :count, f].tolist()
            expected = [max(values[i : i + size]) for i in range(0, count, size)]
            assert pooled[b, :, f].tolist() == expected + [0.0] * (pooled.shape[1] - len(expected))


@given(responses(), st.data())
def test_k_max_equals_a_loop(case, data):
    x, counts = case
    k = data.draw(st.one_of(st.integers(1, 9), st.lists(st.integers(1, 9), min_size=len(x), max_size=len(x))))
    pooled = k_max_pool(x, counts, k if isinstance(k, int) else torch.tensor(k))
    ks = [k] * len(x) if isinstance(k, int) else k
    assert pooled.shape == (x.shape[0], max(ks), x.shape[2])
    for b, count in enumerate(counts.tolist()):
        for f in range(x.shape[2]):
            values = x[b, :count, f].tolist()
            expected = [values[i] for i in naive_k_max(values, ks[b])]
            expected += [0.0] * (max(ks) - len(expected))
            assert pooled[b, :, f].tolist() == expected


@settings(max_examples=25)
@given(responses())
def test_values_after_a_text_are_ignored(case):
    x, counts = case
    other = x.clone()
    for b, count in enumerate(counts.tolist()):
        other[b, count:] = 1e9
    for pool in (max_pool, average_pool, lambda x, counts: k_max_pool(x, counts, 3)):
        assert torch.equal(pool(x.nan_to_num(neginf=-9.0), counts), pool(other.nan_to_num(neginf=-9.0), counts))


def test_gradients():
    x = torch.randn(3, 6, 2, dtype=torch.float64, requires_grad=True)
    counts = torch.tensor([6, 0, 4])
    assert torch.autograd.gradcheck(lambda x: max_pool(x, counts), x)
    assert torch.autograd.gradcheck(lambda x: average_pool(x, counts), x)
    assert torch.autograd.gradcheck(lambda x: k_max_pool(x, counts, torch.tensor([2, 3, 5])), x)
