import threading

import pytest
import torch
from torch import nn

from textcnn.nn.randomness import DrawingFrom, Dropout

INITIALIZERS = (
    *("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_"),
    *("kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_"),
)
LAYERS = {
    "linear": lambda: nn.Linear(7, 5),
    "convolution": lambda: nn.Conv1d(4, 6, 3),
    "embedding": lambda: nn.Embedding(9, 3),
    "lstm": lambda: nn.LSTM(3, 4),
    "attention": lambda: nn.MultiheadAttention(4, 2),
    "bilinear": lambda: nn.Bilinear(2, 3, 4),
}
DRAWS = {
    "method": lambda: torch.empty(5).uniform_(-1, 2),
    "none": lambda: torch.empty(5).normal_(generator=None),
    "random": lambda: torch.rand(5),
    "normal": lambda: torch.randn(2, 3),
    "integers": lambda: torch.randint(9, (4,)),
    "order": lambda: torch.randperm(9),
    "bernoulli": lambda: torch.bernoulli(torch.full((9,), 0.5)),
    "multinomial": lambda: torch.multinomial(torch.ones(5), 3),
    **{
        name: lambda name=name: getattr(nn.init, name)(torch.empty(4, 3), *((0.5,) if name == "sparse_" else ()))
        for name in INITIALIZERS
    },
}


def tensors(made):
    return list(made.parameters()) if isinstance(made, nn.Module) else [made]


@pytest.mark.parametrize("make", [*LAYERS.values(), *DRAWS.values()], ids=[*LAYERS, *DRAWS])
def test_the_numbers_are_those_of_the_seed_and_torch_is_left_as_it_was(make):
    torch.manual_seed(3)
    expected = [*tensors(make()), torch.rand(2)]
    torch.manual_seed(11)
    state = torch.get_rng_state()
    generator = torch.Generator().manual_seed(3)
    with DrawingFrom(generator):
        found = tensors(make())
    found.append(torch.rand(2, generator=generator))
    assert all(map(torch.equal, found, expected))
    assert torch.equal(torch.get_rng_state(), state)


def test_a_generator_that_is_named_is_kept():
    with DrawingFrom(torch.Generator().manual_seed(0)):
        drawn = torch.rand(3, generator=torch.Generator().manual_seed(1))
    assert torch.equal(drawn, torch.rand(3, generator=torch.Generator().manual_seed(1)))


def test_other_threads_draw_as_ever():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    drawn = []
    with DrawingFrom(torch.Generator().manual_seed(0)):
        thread = threading.Thread(target=lambda: drawn.append(torch.rand(4)))
        thread.start()
        thread.join()
    assert torch.equal(drawn[0], expected)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.9])
@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_that_of_torch(p, training):
    values = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    x, like = values.clone().requires_grad_(), values.clone().requires_grad_()
    own, usual = Dropout(p).train(training), nn.Dropout(p).train(training)
    own.generator = torch.Generator().manual_seed(3)
    torch.manual_seed(3)
    expected = usual(like)
    expected.square().sum().backward()
    state = torch.get_rng_state()
    found = own(x)
    found.square().sum().backward()
    assert torch.equal(found, expected)
    assert torch.equal(x.grad, like.grad)
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_without_a_generator_draws_from_torch():
    torch.manual_seed(3)
    expected = nn.Dropout(0.5)(torch.ones(30))
    torch.manual_seed(3)
    assert torch.equal(Dropout(0.5)(torch.ones(30)), expected)


def test_parts_of_a_batch_drop_what_the_whole_would():
    def dropped(x, part):
        dropout = Dropout(0.4)
        dropout.generator, dropout.part = torch.Generator().manual_seed(2), part
        return [dropout(x), dropout(2 * x), dropout.generator.get_state()]

    x = torch.randn(7, 50)
    whole = dropped(x, None)
    for part in (slice(0, None, 3), slice(2, None, 3), slice(0, 1)):
        first, second, state = dropped(x[part], (part, 7))
        assert torch.equal(first, whole[0][part])
        assert torch.equal(second, whole[1][part])
        assert torch.equal(state, whole[2])
