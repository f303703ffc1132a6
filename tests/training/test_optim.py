import torch

from textcnn.config import TrainingConfig
from textcnn.training.optim import constrain_norm, make_optimizer


def test_rows_beyond_the_bound_are_scaled_back_to_it():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    constrain_norm(weight, 2.5)
    torch.testing.assert_close(weight, torch.tensor([[1.5, 2.0], [0.3, 0.4], [0.0, 0.0]]))


def test_optimizers_and_their_step_sizes():
    for name, kind, rate in (
        ("adam", torch.optim.Adam, 1e-3),
        ("adadelta", torch.optim.Adadelta, 1.0),
        ("adagrad", torch.optim.Adagrad, 1e-2),
    ):
        optimizer = make_optimizer(torch.nn.Linear(2, 2), TrainingConfig(optimizer=name))
        assert type(optimizer) is kind
        assert optimizer.param_groups[0]["lr"] == rate
