"""Two processes that train together, each on a half of every batch, beside one process that has it all."""

import contextlib
import dataclasses
import itertools
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch

from textcnn.errors import ConfigError, TrainingError
from textcnn.settings.architectures import make_network
from textcnn.settings.config import DCNNConfig, KimConfig, StackedConfig
from textcnn.settings.training import TrainingConfig
from textcnn.text.ngrams import collect_ngrams
from textcnn.text.tokens import Encoded
from textcnn.text.vocabulary import FIRST_WORD, Vocabulary
from textcnn.training._batching import Batcher, Examples, ordered_batches, training_batches
from textcnn.training._char_ngrams import find_subwords
from textcnn.training._checkpoint import Checkpoint
from textcnn.training._fitting import Fitting, Member
from textcnn.training._loop import Trainer
from textcnn.training.distributed import Processes, join
from textcnn.training.group import ONE_PROCESS, Share, TrainingGroup, is_launched
from textcnn.training.progress import Progress

SIZE = 2
CONTEXT = multiprocessing.get_context("spawn" if os.name == "nt" else "forkserver")
if os.name != "nt":
    PRELOADED = ["textcnn.run", "textcnn.training._fitting", "textcnn.nn.kim", "torch.distributed", "scipy.optimize"]
    CONTEXT.set_forkserver_preload(PRELOADED)

VOCABULARY = 60
SMALL = {"dimension": 8, "dropout": 0.3}
KIM = KimConfig(region_sizes=(1, 2), feature_maps=6, ngrams=2, **SMALL)
NETWORKS = {
    "kim with a bag": KIM,
    "kim without a bag": dataclasses.replace(KIM, ngrams=0),
    "k-max": dataclasses.replace(KIM, pooling="k-max", k=2),
    "dcnn": DCNNConfig(region_sizes=(3, 2), feature_maps=(3, 4), k_top=2, ngrams=2, **SMALL),
    "character n-grams": dataclasses.replace(KIM, char_ngrams=(3, 4)),
    "stacked": StackedConfig(region_sizes=(2, 2), feature_maps=(4, 4), **SMALL),
}
TRAINING = TrainingConfig(batch_size=10, max_epochs=4, patience=4, device="cpu", optimizer="adam", learning_rate=0.01)


# The processes


def serve(rank, folder, pipe):
    """Call functions with the group that these processes are, until there are no more."""
    torch.set_num_threads(1)
    store = torch.distributed.FileStore(str(Path(folder) / "store"), SIZE)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=SIZE)
    group = Processes(store, rank, SIZE)
    while (call := pipe.recv()) is not None:
        function, arguments = call
        try:
            pipe.send((function(group, *arguments), None))
        except BaseException as error:
            pipe.send((None, (error, traceback.format_exc())))


class Pair:
    """Two processes that call the same functions."""

    def __init__(self, folder):
        self.pipes, self.processes = [], []
        for rank in range(SIZE):
            own, other = CONTEXT.Pipe()
            self.processes.append(CONTEXT.Process(target=serve, args=(rank, str(folder), other), daemon=True))
            self.pipes.append(own)
            self.processes[-1].start()

    def outcomes(self, function, *arguments):
        """What a function returned or raised in each process; its first argument there is the group."""
        for pipe in self.pipes:
            pipe.send((function, arguments))
        return [pipe.recv() for pipe in self.pipes]

    def __call__(self, function, *arguments):
        """What a function returned in each process."""
        found = self.outcomes(function, *arguments)
        assert all(error is None for _, error in found), "\n".join(error[1] for _, error in found if error)
        return [value for value, _ in found]

    def end(self):
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            with contextlib.suppress(OSError):
                pipe.send(None)
            process.join(20)


@pytest.fixture(scope="module")
def pair():
    with tempfile.TemporaryDirectory() as folder:
        found = Pair(folder)
        yield found
        found.end()


# What they are given


def corpus(seed, texts=83, several=False, lengths=None):
    """Random texts, whose class is told by a word; the batches of 10 end with one of 3."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(0, 9, size=texts) if lengths is None else np.array(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = generator.integers(5, VOCABULARY, size=offsets[-1]).astype(np.int32)
    labels = generator.integers(0, 2, size=(len(lengths), 3)) > 0 if several else generator.integers(0, 2, len(lengths))
    first = offsets[:-1][lengths > 0]
    ids[first] = np.where(labels[lengths > 0, 0] if several else labels[lengths > 0], 3, 4)
    return Examples(Encoded(ids, offsets), labels, generator.uniform(0.5, 2, len(lengths)))


def network_of(config, training, vocabulary=VOCABULARY):
    classes = training.labels.shape[1] if training.labels.ndim == 2 else 2
    ngrams = None
    if config.ngrams:
        size = {"order": config.ngrams, "vocabulary_size": vocabulary}
        ngrams = tuple(map(torch.from_numpy, collect_ngrams(training.texts, training.labels, classes=classes, **size)))
    subwords = None
    if config.char_ngrams:
        words = Vocabulary([f"word{number}" for number in range(vocabulary - FIRST_WORD)])
        found = find_subwords(config, None, words, [], seen=len(words.words), initial=None)
        subwords = found.of_network()
    torch.manual_seed(0)
    network = make_network(config, vocabulary_size=vocabulary, classes=classes, ngrams=ngrams, subwords=subwords)
    network.dropout.generator = torch.Generator().manual_seed(5)
    return network


def fitting_of(group, config, training, validation, settings, progress=None, checkpoint=None):
    network = network_of(config, training)
    member = Member(network, training, validation.texts, np.arange(len(validation.labels)))
    classes = training.labels.shape[1] if training.labels.ndim == 2 else 2
    return Fitting(
        [member],
        validation.labels,
        settings,
        classes=classes,
        progress=progress or Progress(),
        checkpoint=checkpoint,
        group=group,
    )


def fit(group, config, training, validation, settings, progress=None, checkpoint=None):
    """The history without times, the weights, and what the trainer goes on with."""
    fitting = fitting_of(group, config, training, validation, settings, progress, checkpoint)
    history = fitting.run()
    epochs = tuple(dataclasses.replace(epoch, seconds=0, texts_per_second=0) for epoch in history.epochs)
    [trainer] = fitting.trainers
    state = {name: tensor.detach().clone() for name, tensor in trainer.tensors().items()}
    order = trainer.generator.bit_generator.state["state"]["state"]
    weights = {name: weight.detach().clone() for name, weight in fitting.network.named_parameters()}
    return dataclasses.replace(history, epochs=epochs), weights, state, order


def same_bits(left, right):
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


def assert_equal_up_to_rounding(ours, theirs):
    (history, weights, state, order), (expected, expected_weights, expected_state, expected_order) = ours, theirs
    assert history.best_epoch == expected.best_epoch
    assert len(history.epochs) == len(expected.epochs)
    for epoch, like in zip(history.epochs, expected.epochs, strict=True):
        assert (epoch.accuracy, epoch.macro_f1, epoch.best) == (like.accuracy, like.macro_f1, like.best)
        assert epoch.training_loss == pytest.approx(like.training_loss, rel=1e-5)
        assert epoch.validation_loss == pytest.approx(like.validation_loss, rel=1e-5)
    for name, weight in expected_weights.items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-4, atol=2e-6)
    for name, tensor in expected_state.items():
        if name.startswith("randomness") or name.endswith(("/last", "/steps")):
            assert torch.equal(state[name], tensor), name
    assert order == expected_order


# Training


@pytest.mark.parametrize("name", NETWORKS)
def test_two_processes_train_what_one_does(pair, name):
    inputs = NETWORKS[name], corpus(0), corpus(1, texts=40), TRAINING
    first, second = pair(fit, *inputs)
    assert same_bits(first[1], second[1])
    assert same_bits(first[2], second[2])
    assert first[0] == second[0]
    assert_equal_up_to_rounding(first, fit(ONE_PROCESS, *inputs))


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adadelta", "learning_rate": 1.0},
        {"optimizer": "adagrad", "learning_rate": 0.01},
        {"l2": 1e-3},
        {"l2": (1e-3, 0.0, 1e-3), "optimizer": "adadelta", "learning_rate": 1.0},
        {"max_norm": 0.05},
        {"freeze": ("embeddings",)},
        {"class_weight": "balanced"},
        {"batch_size": 41, "monitor": "macro_f1"},  # the last batch has one text: the second process has none
        {"batch_size": 1},
    ],
    ids=str,
)
def test_whatever_the_settings(pair, changes):
    settings = dataclasses.replace(TRAINING, max_epochs=2, **changes)
    inputs = KIM, corpus(2), corpus(3, texts=40), settings
    first, second = pair(fit, *inputs)
    assert same_bits(first[1], second[1])
    assert_equal_up_to_rounding(first, fit(ONE_PROCESS, *inputs))


def test_several_labels(pair):
    inputs = KIM, corpus(4, several=True), corpus(5, texts=40, several=True), TRAINING
    first, second = pair(fit, *inputs)
    assert same_bits(first[1], second[1])
    assert_equal_up_to_rounding(first, fit(ONE_PROCESS, *inputs))


def test_texts_without_words(pair):
    inputs = dataclasses.replace(KIM, ngrams=0), corpus(0, lengths=[0] * 12), corpus(1, lengths=[0, 3]), TRAINING
    first, _ = pair(fit, *inputs)
    assert_equal_up_to_rounding(first, fit(ONE_PROCESS, *inputs))


def one_epoch(group):
    """The weights after an epoch of a network that begins with the number of its process."""
    training = corpus(0)
    network = network_of(KIM, training)
    with torch.no_grad():
        network.softmax.weight.fill_(group.rank)
    trainer = Trainer(network, TRAINING, classes=2, progress=Progress(), group=group)
    assert not network.softmax.weight.any()
    trainer.train_epoch(1, training)
    return {name: weight.detach().clone() for name, weight in network.named_parameters()}


def test_all_begin_with_the_weights_of_the_first(pair):
    first, second = pair(one_epoch)
    assert same_bits(first, second)


class Scores(Fitting):
    """Scores each epoch otherwise in each process."""

    def _choose(self, logits, linear):
        share, probabilities = super()._choose(logits, linear)
        return share + self.group.rank, np.roll(probabilities, self.group.rank, axis=1)


def fit_with_other_scores(group):
    training, validation = corpus(0), corpus(1, texts=40)
    member = Member(network_of(KIM, training), training, validation.texts, np.arange(40))
    fitting = Scores([member], validation.labels, TRAINING, classes=2, progress=Progress(), group=group)
    history = fitting.run()
    return history.best_epoch, len(history.epochs), fitting.best.share.tolist(), fitting.best.probabilities.tolist()


def test_the_first_decides_for_all(pair):
    first, second = pair(fit_with_other_scores)
    assert first == second


def diverge(group):
    settings = dataclasses.replace(TRAINING, optimizer="adagrad", learning_rate=1e38)
    return fit(group, KIM, corpus(0), corpus(1, texts=40), settings)


def test_a_loss_that_is_not_finite_ends_all(pair):
    (_, first), (_, second) = pair.outcomes(diverge)
    assert isinstance(first[0], TrainingError)
    assert str(first[0]) == str(second[0])
    assert str(first[0]).startswith("expected a finite loss, found ")


# Batches


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_each_text_of_a_batch_counts_in_one_process(size):
    texts = corpus(0).texts
    groups = [Processes(None, rank, size) for rank in range(size)]
    streams = [
        training_batches(texts, batch_size=7, generator=np.random.default_rng(1), group=group) for group in groups
    ]
    whole = training_batches(texts, batch_size=7, generator=np.random.default_rng(1))
    for (rows, batch), *parts in zip(whole, *streams, strict=True):
        assert batch.texts == len(rows)
        assert {part.texts for _, part in parts} == {len(rows)}
        assert sorted(itertools.chain(*(own for own, part in parts if part.share.counts))) == sorted(rows)
        for own, part in parts:
            assert own.tolist() == rows[part.share.part].tolist()
            assert part.lengths.tolist() == texts.lengths[own].tolist()
            assert len(own)


def test_each_batch_of_validation_texts_is_scored_by_one_process():
    texts = corpus(0).texts
    parts = [ordered_batches(texts, batch_size=7, group=Processes(None, rank, 3)) for rank in range(3)]
    assert sorted(row for part in parts for rows, _ in part for row in rows) == list(range(83))


# The exchange


def exchange(group, seed):
    """Sums of random gradients, dense and sparse, by the group and by a dense all-reduce."""
    generator = np.random.default_rng(seed)
    rows = [np.sort(generator.choice(30, generator.integers(0, 12), replace=False)) for _ in range(2 * SIZE)]
    values = [torch.from_numpy(generator.normal(size=(len(each), 4)).astype(np.float32)) for each in rows]
    dense = torch.from_numpy(generator.normal(size=(SIZE, 3, 2)).astype(np.float32))
    parameters = {name: torch.nn.Parameter(torch.zeros(30, 4)) for name in ("sparse", "table")}
    parameters |= {"dense": torch.nn.Parameter(torch.zeros(3, 2)), "unused": torch.nn.Parameter(torch.zeros(2))}
    expected = []
    own = {}
    for table, name in enumerate(("sparse", "table")):
        index = SIZE * table + group.rank
        order = generator.permutation(len(rows[index]))  # a batch's words are in any order
        own[name] = torch.from_numpy(rows[index][order])
        grad = torch.zeros(30, 4).index_add(0, own[name], values[index])
        parameters[name].grad = (
            torch.sparse_coo_tensor(own[name][None], values[index], (30, 4), check_invariants=True)
            if name == "sparse"
            else grad.clone()
        )
        torch.distributed.all_reduce(grad)
        expected.append(grad)
    parameters["dense"].grad = dense[group.rank].clone()
    union = group.union(own)
    loss = group.sum_gradients(parameters, union, torch.tensor(1.5 + group.rank))
    assert loss == 4.0
    assert parameters["unused"].grad is None
    touched = [sorted({*rows[SIZE * table].tolist(), *rows[SIZE * table + 1].tolist()}) for table in (0, 1)]
    assert [each.tolist() for each in union.values()] == touched
    assert parameters["sparse"].grad.is_sparse
    assert parameters["sparse"].grad._indices()[0].tolist() == touched[0]
    found = [parameters[name].grad.to_dense() for name in ("sparse", "table", "dense")]
    for ours, theirs in zip(found, [*expected, dense.sum(dim=0)], strict=True):
        torch.testing.assert_close(ours, theirs)
    return [each.numpy().tobytes() for each in found]


@pytest.mark.parametrize("seed", range(8))
def test_the_exchange_equals_a_dense_one(pair, seed):
    first, second = pair(exchange, seed)
    assert first == second


def traffic(group, vocabulary, words):
    """Bytes that a step gives to torch's exchanges, of a batch of a number of distinct words."""
    training = Examples(Encoded(np.arange(5, 5 + words, dtype=np.int32), np.arange(0, words + 1, 5)), np.zeros(0))
    training = dataclasses.replace(training, labels=np.arange(words // 5) % 2)
    trainer = Trainer(network_of(KIM, training, vocabulary), TRAINING, classes=2, progress=Progress(), group=group)
    share = group.share(words // 5)
    rows = np.arange(words // 5)[share.part]
    batch = Batcher(training.texts).batch(rows, share)
    sent = []
    before = torch.distributed.all_reduce, torch.distributed.all_gather
    torch.distributed.all_reduce = lambda x: sent.append(x.nbytes) or before[0](x)
    torch.distributed.all_gather = lambda out, x: sent.append(x.nbytes) or before[1](out, x)
    try:
        trainer.step(batch, torch.from_numpy(training.labels[rows]))
    finally:
        torch.distributed.all_reduce, torch.distributed.all_gather = before
    dense = sum(x.numel() for name, x in trainer.model.named_parameters() if name not in batch_tables(trainer))
    return sum(sent), dense


def batch_tables(trainer):
    names = ("channels.tuned", "channels.subwords.weight", "ngrams.weight")
    return trainer.optimizer.touched(dict.fromkeys(names, torch.zeros(0))).keys()


def test_the_traffic_of_a_step_is_that_of_its_words(pair):
    [(few, dense), _] = pair(traffic, 200, 40)
    assert pair(traffic, 20000, 40)[0] == (few, dense)
    [(more, _), _] = pair(traffic, 20000, 160)
    words = ngrams = 40  # no two words follow each other twice
    gradients, ids = 4 * (words * KIM.dimension + ngrams * 2), 8 * (words + ngrams) // SIZE
    assert few == 4 * (dense + 2) + gradients + ids + 2 * 8  # the loss and Ctrl-C; how many ids there are
    assert more - few == 3 * (gradients + ids)


def talk(group):
    array = np.arange(3, dtype=np.float32) * (group.rank + 1)
    tensors = [torch.full((2,), group.rank), torch.zeros(0, 3)]
    group.copy_first(tensors)
    group.wait()
    told = group.first({"rank": group.rank, "none": None})
    return told, group.sum(array).tolist(), tensors[0].tolist(), group.union({}), group.leads


def test_what_the_first_has_and_what_all_have(pair):
    told = {"rank": 0, "none": None}
    assert pair(talk) == [(told, [0, 3, 6], [0, 0], {}, True), (told, [0, 3, 6], [0, 0], {}, False)]


def test_one_process_is_a_group_too():
    group = TrainingGroup()
    rows = {"table": torch.tensor([3, 1])}
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.ones(2)
    assert group.leads
    assert group.union(rows) is rows
    assert group.sum_gradients({"x": parameter}, {}, torch.tensor(0.5)) == 0.5
    assert parameter.grad.tolist() == [1, 1]
    assert group.first(3) == 3
    assert group.share(4) is None
    assert group.is_first_to_fail()
    assert group.is_first_to_fail()


# Ends


class Interrupt(Progress):
    """Sends its process Ctrl-C in the third epoch."""

    def batch(self, *, epoch, texts, loss):
        if epoch == 3 and texts > 20:
            os.kill(os.getpid(), signal.SIGINT)


def interrupted(group, rank, path):
    keep = Checkpoint(Path(path), {}, {}, True, group)
    before = signal.getsignal(signal.SIGINT)
    try:
        progress = Interrupt() if group.rank == rank else None
        found = fit(group, KIM, corpus(0), corpus(1, texts=40), TRAINING, progress, keep)
        os.kill(os.getpid(), signal.SIGINT)  # the signal reaches some later: it does not disturb the saving
        return found
    finally:
        signal.signal(signal.SIGINT, before)
        group._interrupted = False


@pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
@pytest.mark.parametrize("rank", range(SIZE))
def test_ctrl_c_in_one_process_ends_all_at_the_same_step(pair, tmp_path, rank):
    path = tmp_path / "checkpoint"
    first, second = pair(interrupted, rank, str(path))
    assert first[0] == second[0]
    assert first[0].interrupted
    assert len(first[0].epochs) == 2
    assert same_bits(first[1], second[1])
    assert [*tmp_path.iterdir()] == [path]
    inputs = KIM, corpus(0), corpus(1, texts=40), TRAINING
    whole = fit(ONE_PROCESS, *inputs)
    copy = shutil.copy(path, tmp_path / "copy")
    assert_equal_up_to_rounding(fit(ONE_PROCESS, *inputs, None, Checkpoint(copy, {}, {}, True)), whole)
    resumed, other = pair(resume, str(path))
    assert same_bits(resumed[1], other[1])
    assert same_bits(resumed[1], pair(fit, *inputs)[0][1])  # of two processes never stopped
    assert_equal_up_to_rounding(resumed, whole)


def resume(group, path):
    here = Path(path) if group.leads else Path(path).with_name("on another machine")
    return fit(group, KIM, corpus(0), corpus(1, texts=40), TRAINING, None, Checkpoint(here, {}, {}, True, group))


def end(group):
    if not group.leads:
        os._exit(1)
    group.wait()


def fail_twice(group):
    group.wait()
    return [group.is_first_to_fail(), group.is_first_to_fail()]


def test_a_process_that_ends(tmp_path):
    pair = Pair(tmp_path)
    assert sorted(itertools.chain(*pair(fail_twice))) == [False, False, False, True]
    for pipe in pair.pipes:
        pipe.send((end, ()))
    _, (error, _) = pair.pipes[0].recv()
    assert isinstance(error, TrainingError)
    expected = (
        r"expected 2 processes until training ends, found that one has ended \([A-Z][\w .:\[\]]*\); start them all"
    )
    assert re.fullmatch(f"{expected} again, with --resume", str(error))
    assert "This is" not in str(error)  # typically
    pair.end()


# Beginning


@pytest.mark.parametrize(
    ("environment", "launched"),
    [
        ({}, False),
        ({"WORLD_SIZE": "1", "RANK": "0"}, False),
        ({"WORLD_SIZE": "2"}, False),
        ({"WORLD_SIZE": "two", "RANK": "0"}, False),
        ({"WORLD_SIZE": "2", "RANK": "1"}, True),
    ],
)
def test_torchrun_is_known_by_its_environment(monkeypatch, environment, launched):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_launched() == launched


def test_a_torch_without_processes(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("torch.distributed.is_available", lambda: False)
    with pytest.raises(ConfigError) as error:
        join()
    assert str(error.value) == (
        "expected a torch with torch.distributed for 2 processes, found one without; "
        "install another build of torch, or start textcnn without torchrun"
    )


def test_nobody_to_join(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    with pytest.raises(TrainingError, match=r"^expected to find 2 processes, found an error \(.*MASTER_ADDR.*\); st"):
        join()


def test_each_process_has_a_gpu_of_its_own(monkeypatch):
    group, chosen = Processes(None, 3, 4), []
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert group.choose(torch.device("cpu")) == torch.device("cpu")
    assert group.choose(torch.device("cuda")) == torch.device("cuda:1")
    assert chosen == [torch.device("cuda:1")]
    with pytest.raises(ConfigError, match="found cuda:0; start"):
        group.choose(torch.device("cuda:0"))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    with pytest.raises(ConfigError, match="expected a GPU for each of the 2 processes of a machine, found 1; start"):
        group.choose(torch.device("cuda"))


def test_a_share_says_what_it_is_of():
    assert Processes(None, 1, 2).share(3) == Share(slice(1, None, 2), 3)
    assert Processes(None, 1, 2).share(1) == Share(slice(0, 1), 1, counts=False)
