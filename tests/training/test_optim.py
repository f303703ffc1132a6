import torch

from textcnn.config import KimConfig, TrainingConfig
from textcnn.nn.kim import KimCNN
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


def test_each_layer_has_its_own_penalty():
    model = KimCNN(KimConfig(dimension=4, feature_maps=2), vocabulary_size=5, classes=2)
    optimizer = make_optimizer(model, TrainingConfig(l2=(0.1, 0.2, 0.3)))
    weight = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert weight[id(model.channels.tuned)] == 0.1
    assert weight[id(model.convolution.weight)] == weight[id(model.convolution.bias)] == 0.2
    assert weight[id(model.softmax.weight)] == 0.3
    assert {group["weight_decay"] for group in make_optimizer(model, TrainingConfig(l2=0.5)).param_groups} == {0.5}
