import dataclasses

import optuna
import pytest

from textcnn.errors import ConfigError
from textcnn.settings.config import to_json
from textcnn.settings.options import flags_of, make_settings
from textcnn.tuning._space import Space


def chosen(space):
    """The values of a trial that takes the defaults."""
    trial = optuna.trial.FixedTrial(space.defaults())
    space.suggest(trial)
    return trial.params


@pytest.mark.parametrize("fixed", [{}, {"arch": "dcnn"}, {"arch": "stacked"}, {"optimizer": "adadelta"}])
@pytest.mark.parametrize("vectors", [None, "vectors.bin"])
def test_the_first_trial_has_the_defaults(fixed, vectors):
    space = Space(fixed, vectors=vectors)
    found, usual = space.settings(chosen(space)), make_settings(fixed, vectors=vectors)
    assert to_json(found.text) == to_json(usual.text)
    assert to_json(found.model) == to_json(usual.model)
    bound = usual.model.default_max_norm
    assert found.training == dataclasses.replace(usual.training, max_norm=bound)


def test_every_choice_makes_settings():
    for vectors in (None, "vectors.bin"):
        space = Space({}, vectors=vectors)
        assert space.architectures == ["kim", "dcnn", "stacked", "dpcnn"]
        for arch in space.architectures:
            axes = space.axes(arch)
            values = {"arch": arch} | {axis.name: axis.default for axis in axes}
            for axis in axes:
                for value in axis.choices or (axis.low, axis.high):
                    space.settings(values | {axis.name: value})
                assert axis.default in axis.choices or axis.low <= axis.default <= axis.high


def test_what_is_fixed_is_not_searched_and_rules_out_the_networks_that_do_not_have_it():
    assert Space({"region_sizes": (3, 4, 5)}).architectures == ["kim", "dpcnn"]
    space = Space({"region_sizes": (3, 4, 5), "padding": "narrow", "dropout": 0.1})
    assert space.architectures == ["kim"]
    assert not {"arch", "dropout", "kim.region_sizes"} & space.defaults().keys()
    assert space.settings(space.defaults()).model.region_sizes == (3, 4, 5)
    assert Space({"k_top": 3}).architectures == ["dcnn"]
    assert Space({"region_sizes": (3, 3)}).architectures == ["kim", "dcnn", "stacked", "dpcnn"]
    layers = Space({"arch": "stacked", "feature_maps": (8, 8, 8), "region_sizes": (2, 2, 2)})
    assert layers.settings(layers.defaults()).model.feature_maps == (8, 8, 8)


def test_fixed_settings_that_cannot_be():
    with pytest.raises(ConfigError, match="dropout: expected a number"):
        Space({"dropout": 2})
    with pytest.raises(ConfigError, match="k_top: expected none"):
        Space({"arch": "kim", "k_top": 3})
    everything = Space({"arch": "kim"})
    with pytest.raises(ConfigError, match="all of them fixed"):
        Space({"arch": "kim", "learning_rate": 0.002, **everything.keywords(everything.defaults())})


def test_the_usual_learning_rate_is_left_open():
    for fixed, usual in (({}, 0.001), ({"optimizer": "adadelta"}, 1.0)):
        space = Space(fixed)
        assert "learning_rate" not in space.keywords(space.defaults())
        assert space.keywords(space.defaults() | {"learning_rate": usual / 2})["learning_rate"] == usual / 2


def test_values_are_rounded_so_that_they_can_be_typed():
    space = Space({})
    values = space.defaults() | {"learning_rate": 0.00123456, "dropout": 0.30000000000000004}
    found = space.keywords(values)
    assert (found["learning_rate"], found["dropout"]) == (0.0012, 0.3)
    flags = flags_of(found | {"lowercase": False, "class_weight": {"so so": 2.0}})
    assert {"--learning-rate 0.0012", "--region-sizes 3,4,5", "--keep-case"} <= {*flags}
    assert """--class-weight '{"so so": 2.0}'""" in flags
