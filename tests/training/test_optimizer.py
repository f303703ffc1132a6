import dataclasses

import pytest
import torch

from textcnn.nn.kim import KimCNN
from textcnn.settings.config import KimConfig
from textcnn.settings.training import TrainingConfig
from textcnn.training._optimizer import Optimizer, constrain_norm


def test_rows_above_the_norm_bound_are_scaled_back_to_it():
    weight = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]])
    constrain_norm(weight, 2.5)
    torch.testing.assert_close(weight, torch.tensor([[1.5, 2.0], [0.3, 0.4], [0.0, 0.0]]))


CONFIG = KimConfig(dimension=4, feature_maps=3, channels="non-static", ngrams=2)
NGRAMS = (torch.tensor([2, 3, 4, 2 * 12 + 3, 3 * 12 + 4, 4 * 12 + 4]), torch.tensor([1.0, 1.5, 1.2, 2.0, 1.7, 3.0]))


def torch_optimizer(name, groups, rate):
    if name == "adam":
        return torch.optim.Adam(groups, lr=rate)
    if name == "adadelta":
        return torch.optim.Adadelta(groups, lr=rate, rho=0.95, eps=1e-6)
    return torch.optim.Adagrad(groups, lr=rate)


@pytest.mark.parametrize("l2", [0.0, 0.01, (0.0, 0.1, 0.2), (0.1, 0.0, 0.3)])
@pytest.mark.parametrize(("name", "rate"), [("adam", 1e-3), ("adadelta", 1.0), ("adagrad", 1e-2)])
def test_training_equals_that_of_torchs_dense_optimiser(name, rate, l2):
    """With torch's default learning rates, and a penalty per layer."""
    torch.manual_seed(0)
    vectors = torch.randn(12, 4)
    size = {"vocabulary_size": 12, "classes": 2, "vectors": vectors, "ngrams": NGRAMS}
    models = [KimCNN(CONFIG, **size).double().eval() for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    ours = Optimizer(models[0], TrainingConfig(optimizer=name, l2=l2))
    penalties = l2 if isinstance(l2, tuple) else (l2, l2, l2)
    layers = [models[1].channels, models[1].convolution, models[1].softmax, models[1].ngrams]
    groups = [
        {"params": list(layer.parameters()), "weight_decay": penalty}
        for layer, penalty in zip(layers, (*penalties, penalties[2]), strict=True)
    ]
    theirs = torch_optimizer(name, groups, rate)
    generator = torch.Generator().manual_seed(0)
    for step in range(40):
        lengths = torch.tensor([3, 5])
        ids = torch.randint(2, 12 if step % 10 == 0 else 5, (8,), generator=generator)
        distinct, inverse = ids.unique(return_inverse=True)
        ours.settle(ours.touched(models[0].rows(distinct, models[0].find(distinct, inverse, lengths))))
        for model in models:
            torch.nn.functional.cross_entropy(model(ids, lengths), torch.tensor([0, 1])).backward()
        ours.step()
        theirs.step()
        theirs.zero_grad()
    ours.settle_all()
    for (parameter_name, parameter), expected in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        tolerance = 2e-4 if name == "adam" else 1e-9  # RowAdam deviates for gradients of about its epsilon
        torch.testing.assert_close(parameter, expected, rtol=0, atol=tolerance, msg=parameter_name)


def test_only_a_table_without_penalty_has_a_sparse_gradient():
    for config, l2, sparse in (
        (CONFIG, 0.0, (True, True)),
        (CONFIG, (0.0, 1.0, 1.0), (True, False)),
        (CONFIG, 0.1, (False, False)),
        (dataclasses.replace(CONFIG, channels="static"), 0.0, (False, True)),
    ):
        model = KimCNN(config, vocabulary_size=12, classes=2, vectors=torch.zeros(12, 4), ngrams=NGRAMS)
        Optimizer(model, TrainingConfig(l2=l2))
        assert (model.channels.sparse, model.ngrams.sparse) == sparse
