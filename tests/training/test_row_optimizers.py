import pytest
import torch

from textcnn import kernels
from textcnn.training._row_optimizers import ROW_OPTIMIZERS, RowAdam

FORMS = ["plain", pytest.param("compiled", marks=pytest.mark.skipif(not kernels.compiled, reason="not compiled"))]
RATES = {"adam": 1e-3, "adadelta": 1.0, "adagrad": 0.01}
# In double and single precision. Adam's allow for its deviation (see RowAdam): gradients here are about 0.1.
TOLERANCES = {"adam": (5e-7, 1e-5), "adadelta": (1e-12, 1e-6), "adagrad": (1e-12, 1e-6)}


def dense(name, table, rate):
    if name == "adam":
        return torch.optim.Adam([table], lr=rate)
    if name == "adadelta":
        return torch.optim.Adadelta([table], lr=rate, rho=0.95, eps=1e-6)
    return torch.optim.Adagrad([table], lr=rate)


def steps(count, size, dimension, dtype):
    """Yield rows and gradients: some rows are used often, some after hundreds of steps, one never."""
    generator = torch.Generator().manual_seed(0)
    for step in range(count):
        candidates = size - 1 if step % 200 < 20 else 4
        rows = torch.randperm(candidates, generator=generator)[: 1 + step % 3]
        yield rows, torch.randn(len(rows), dimension, generator=generator, dtype=dtype) * 0.1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", ROW_OPTIMIZERS)
def test_rows_equal_those_of_the_dense_optimiser(monkeypatch, name, dtype, form):
    monkeypatch.setattr(kernels, "compiled", form == "compiled")
    tolerance = TOLERANCES[name][dtype == torch.float32]
    torch.manual_seed(0)
    expected = torch.nn.Parameter(torch.randn(30, 5, dtype=dtype))
    table = torch.nn.Parameter(expected.detach().clone())
    theirs, ours = dense(name, expected, RATES[name]), ROW_OPTIMIZERS[name](table.detach(), RATES[name])
    for rows, grad in steps(700, 30, 5, dtype):
        ours.settle(rows)
        torch.testing.assert_close(table[rows], expected[rows], rtol=0, atol=tolerance)  # what the network reads
        expected.grad = torch.zeros_like(expected)
        expected.grad[rows] = grad
        theirs.step()
        ours.step(rows, grad)
    ours.settle()
    torch.testing.assert_close(table, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ROW_OPTIMIZERS)
def test_a_resumed_run_gives_the_same_bits(name):
    def run(stop):
        torch.manual_seed(0)
        table = torch.nn.Parameter(torch.randn(30, 5))
        optimizer = ROW_OPTIMIZERS[name](table.detach(), RATES[name])
        for step, (rows, grad) in enumerate(steps(500, 30, 5, torch.float32)):
            if step == 420:  # the end of an epoch
                optimizer.settle()
            if step == stop:
                saved = {key: value.clone() for key, value in optimizer.tensors().items()}
                table = torch.nn.Parameter(table.detach().clone())
                optimizer = ROW_OPTIMIZERS[name](table.detach(), RATES[name])
                optimizer.load(saved)
            optimizer.settle(rows)
            optimizer.step(rows, grad)
        optimizer.settle()
        return table

    assert torch.equal(run(None), run(420))


def test_a_step_changes_only_its_rows():
    table = torch.zeros(1000, 4)
    optimizer = RowAdam(table, 0.1)
    for _ in range(5):
        optimizer.settle(torch.tensor([7]))
        optimizer.step(torch.tensor([7]), torch.ones(1, 4))
    optimizer.settle()
    assert table.any(dim=1).nonzero().flatten().tolist() == [7]
    assert optimizer.last.nonzero().flatten().tolist() == [7]
