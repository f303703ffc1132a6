"""The saved model: a folder of JSON and safetensors that holds all a prediction needs.

    config.json         format, version, settings, classes, how it was trained, SHA-256 of each file and of itself
    model.safetensors   the weights
    vocabulary.json     the words, in the order of their ids
    metrics.json        scores on validation and test
    README.md           a model card

A model is replaced as one (`textcnn.inference._model_folder`), so that a crash at any step, or a reader at any moment,
finds one that is whole. Loading runs no code. It checks each file against its SHA-256, and that settings, classes,
words, weights, n-grams and training are of their types, finite and consistent. Facts about the training may be missing,
but a wrong one is an error (`textcnn.inference._metadata`). The metrics are parsed when they are first asked for.
The hashes show damage, not intent: config.json without its own is read as well, as older models and edited ones are.

A missing setting takes its default, an unknown one is refused by name. The version rises only when old bytes mean
something else; `UPGRADES` then has a function that reads the version before.
"""

from __future__ import annotations

import hashlib
import os
import reprlib
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.errors import ConfigError, ModelError
from textcnn.files import nearest_files
from textcnn.hub import REPOSITORY
from textcnn.inference._metadata import check_training
from textcnn.inference._model_folder import CONFIG, has_model, is_unused, read_files, write_files
from textcnn.inference._saved_json import HASH, check_hash, dump, hash_of, parse
from textcnn.inference._saved_metrics import SavedMetrics
from textcnn.inference._saved_weights import check_ngrams, check_sizes, load_weights
from textcnn.inference.card import Publication, model_card
from textcnn.inference.codes import BUCKETS, NGRAMS, TABLE, Compression, to_saved
from textcnn.settings.architectures import architecture_named, architecture_of
from textcnn.settings.config import NetworkConfig, TextConfig, from_json, to_json
from textcnn.targets import ONE_CLASS, TARGETS, Target, Temperature
from textcnn.text.vocabulary import FIRST_WORD
from textcnn.version import __version__

FORMAT, VERSION = "textcnn", 4
# From each older version that is still read: config.json as the next version has it.
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
WEIGHTS, VOCABULARY, METRICS, CARD = "model.safetensors", "vocabulary.json", "metrics.json", "README.md"
FILES = (CONFIG, WEIGHTS, VOCABULARY, METRICS)  # all that a prediction needs
REPORT, SEARCH = "report.html", "tune.html"  # pages written by `textcnn.run` and `textcnn.tuning` on a saved model
_FIELDS = {
    *("format", "version", "textcnn", "architecture", "text", "model", "classes", "temperature", "training", "files"),
    *("target", "thresholds"),
    HASH,
}
_LABEL_TYPES = {"U": "str", "i": "int", "u": "int", "b": "bool", "f": "float"}
# A divisor of float32 logits: 0 and infinity in that precision are none.
_LEAST_TEMPERATURE, _MOST_TEMPERATURE = 1e-30, 1e30


@dataclass(frozen=True)
class Artifact:
    """A trained model as plain data.

    Attributes:
        text: how texts become ids.
        model: the network's settings.
        classes: the labels: strings, integers, floats or booleans, (K,).
        words: the vocabulary, in the order of the ids.
        weights: arrays by the names of the network's parameters and buffers, float32; the numbers of n-grams are whole.
            With character n-grams a word's row in `channels.tuned` has what these add.
        training: facts about the training run, as JSON.
        metrics: scores by split, as JSON (`textcnn.metrics.evaluate`); those of a saved model are parsed when they are
            first asked for.
        temperature: what logits are divided by before softmax, or before each label's sigmoid, (K,).
        target: what a text's labels are (`textcnn.targets`).
        thresholds: the probability from which on each label is given, (K,), where a text has several; else None.
        compression: how the weights are saved as whole numbers; None saves them as they are.
    """

    text: TextConfig
    model: NetworkConfig
    classes: np.ndarray
    words: Sequence[str]
    weights: dict[str, np.ndarray]
    training: dict[str, Any] = field(default_factory=dict)
    metrics: MutableMapping[str, Any] = field(default_factory=dict)
    temperature: Temperature = 1.0
    target: Target = ONE_CLASS
    thresholds: np.ndarray | None = None
    compression: Compression | None = None


def weight_shapes(
    model: NetworkConfig, *, vocabulary_size: int, classes: int, ngrams: int = 0, buckets: int = 0
) -> dict[str, tuple[int, ...]]:
    """Return the shape of each array of a model, by name.

    Args:
        model: the network's settings.
        vocabulary_size: V, padding and the unknown word included.
        classes: K.
        ngrams: G, n-grams in its bag.
        buckets: B, those of character n-grams that have a row.
    """
    table = (vocabulary_size, model.dimension)
    shapes: dict[str, tuple[int, ...]] = {"softmax.weight": (classes, model.features), "softmax.bias": (classes,)}
    shapes |= architecture_of(model).scorer_class().weight_shapes(model)
    if model.channels in ("static", "multichannel"):
        shapes["channels.fixed"] = table
    if model.channels != "static":
        shapes["channels.tuned"] = table
    if model.char_ngrams:
        shapes |= {"channels.subwords.weight": (buckets, model.dimension), BUCKETS: (buckets,)}
    if model.ngrams:
        shapes |= {NGRAMS: (ngrams,), "ngrams.factors": (ngrams,), "ngrams.weight": (ngrams, classes)}
    return shapes


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise ModelError if a model cannot be saved at `path`: checked before training, so that no work is lost.

    Only an earlier model or an empty folder is ever written into.
    """
    path = path.absolute()
    if path.exists():
        if not path.is_dir():
            raise ModelError(f"{path}: expected a folder to save the model in, found a file; choose another name")
        if not has_model(path) and not is_unused(path):
            raise ModelError(
                f"{path}: expected a new folder or a saved model, found a folder of other files; choose another"
            )
        if has_model(path) and not overwrite:
            raise ModelError(f"{path}: a model is there already; choose another name or replace it (--overwrite)")
    elif not path.parent.is_dir():
        raise ModelError(f"{path}: expected the folder {path.parent} to exist; create it first")
    folder = path if path.exists() else path.parent
    if not os.access(folder, os.W_OK):
        raise ModelError(f"{path}: expected to write into the folder {folder}, found no permission; choose another")


def artifact_files(artifact: Artifact, path: Path, publication: Publication | None = None) -> dict[str, bytes]:
    """Return the content of each file of a model's folder, by name.

    Args:
        artifact: the model.
        path: the folder, for errors.
        publication: what its card says besides, where it is published.

    Raises:
        ModelError: the model holds what no JSON file can: a number that is not finite, or a string with half a
            character.
    """
    from safetensors.numpy import save as tensors_to_bytes

    check_sizes(artifact.weights, path / WEIGHTS)
    saved = artifact.weights
    if artifact.compression is not None:
        saved = to_saved(artifact.weights, artifact.compression)
    contents = {
        WEIGHTS: tensors_to_bytes({name: np.ascontiguousarray(w) for name, w in saved.items()}),
        VOCABULARY: dump(list(artifact.words), path / VOCABULARY),
        METRICS: dump(dict(artifact.metrics), path / METRICS, indent=2),
    }
    config: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "textcnn": __version__,
        "architecture": architecture_of(artifact.model).name,
        "text": to_json(artifact.text),
        "model": to_json(artifact.model),
        "classes": {"type": _label_type(artifact.classes), "values": artifact.classes.tolist()},
        "temperature": _plain(artifact.temperature),
        "training": artifact.training,
    }
    if artifact.thresholds is not None:
        config |= {"target": artifact.target.name, "thresholds": artifact.thresholds.tolist()}
    config = parse(dump(config, path / CONFIG), path / CONFIG)  # as it is read again
    contents[CARD] = _card(artifact, publication).encode()
    config["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    config[HASH] = hash_of(config)
    contents[CONFIG] = dump(config, path / CONFIG, indent=2)
    return contents


def save_artifact(artifact: Artifact, path: Path, *, overwrite: bool = False) -> None:
    """Write a model's folder; a model that is there is replaced as one.

    Raises:
        ModelError: something else is at `path`, or it cannot be written, or as in `artifact_files`.
    """
    check_target(path, overwrite=overwrite)
    contents = artifact_files(artifact, path)
    try:
        write_files(path, contents, lambda content: _parse_config(content, path), overwrite=overwrite)
        for page in (REPORT, SEARCH):  # on the model that was there
            (path / page).unlink(missing_ok=True)
    except OSError as error:
        raise ModelError(f"{path}: could not save the model: {error.strerror or error}") from error


def check_config(path: Path, *, shown: Path) -> None:
    """Raise ModelError unless the config.json of a folder, which an error calls `shown`, is that of a model."""
    if not (path / CONFIG).is_file():
        raise ModelError(f"{shown}: expected a model of textcnn, found no {CONFIG}")
    _parse_config((path / CONFIG).read_bytes(), shown)


def digest_of(artifact: Artifact) -> str:
    """Return a hash of a model's words, weights, temperature and thresholds."""
    data = hashlib.sha256("\0".join(artifact.words).encode())
    for name in sorted(artifact.weights):
        data.update(artifact.weights[name].tobytes())
    data.update(f"{artifact.temperature} {artifact.thresholds}".encode())
    return data.hexdigest()


def load_artifact(path: str | PathLike[str]) -> Artifact:
    """Read and check a model folder.

    Raises:
        ModelError: it is not there, not a model, of a newer version, incomplete or altered.
    """
    path = Path(path)
    _check_source(path)
    config, contents = read_files(path, FILES[1:], lambda content: _parse_config(content, path))
    words = parse(contents[VOCABULARY], path / VOCABULARY)
    try:
        text = from_json(TextConfig, config["text"], where="text")
        model = from_json(architecture_named(config["architecture"]).config, config["model"], where="model")
        classes = _classes(config["classes"])
    except (ConfigError, KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ModelError(f"{path / CONFIG}: expected the settings of a model, found a fault in {error}") from None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words) or len({*words}) < len(words):
        raise ModelError(f"{path / VOCABULARY}: expected a list of distinct words, found something else")
    weights, compression = load_weights(contents[WEIGHTS], path / WEIGHTS)
    ngrams, buckets = (len(weights[name]) if name in weights else 0 for name in (NGRAMS, BUCKETS))
    size = {"vocabulary_size": len(words) + FIRST_WORD, "classes": len(classes)}
    shapes = weight_shapes(model, **size, ngrams=ngrams, buckets=buckets)
    found = {name: weight.shape for name, weight in weights.items()}
    if ngrams:
        check_ngrams(weights[NGRAMS], model.ngrams, len(words) + FIRST_WORD, path / WEIGHTS)
    if found != shapes:
        raise ModelError(f"{path / WEIGHTS}: expected arrays of the shapes {shapes}, found {found}")
    if compression is not None and TABLE in compression.scales:
        shape = architecture_of(model).scorer_class().table_scale_shape(model)
        if compression.scales[TABLE].shape != shape:
            raise ModelError(f"{path / WEIGHTS}: expected scales of the table of the shape {shape}, found others")
    training: Any = config.get("training")
    try:
        check_training(training, len(classes))
    except ValueError as error:
        raise ModelError(f"{path / CONFIG}: {error}") from None
    metrics = SavedMetrics(contents[METRICS], path / METRICS, len(classes))
    target, thresholds = _target(config, len(classes), path)
    several = len(classes) if thresholds is not None else None
    temperature = _temperature(config.get("temperature", 1.0), several, path)  # a model may do without
    return Artifact(
        text, model, classes, words, weights, training, metrics, temperature, target, thresholds, compression
    )


def _classes(saved: Any) -> np.ndarray:
    """Return the labels in their own type; ValueError unless they are distinct and of the type named."""
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    values, kind = saved["values"], kinds[saved["type"]]
    if not isinstance(values, list) or len(values) < 2 or any(type(value) is not kind for value in values):
        raise ValueError("the classes")
    if len(set(values)) < len(values):
        raise ValueError("the classes: one is there twice")
    classes = np.array(values)
    # numpy makes floats or objects of large whole numbers, and drops NUL at the end of a string.
    if _LABEL_TYPES.get(classes.dtype.kind) != saved["type"] or classes.tolist() != values:
        raise ValueError("the classes: a whole number above 64 bits, or a string that ends with NUL")
    return classes


def _target(config: Mapping[str, Any], classes: int, path: Path) -> tuple[Target, np.ndarray | None]:
    """Return what a text's labels are, and the thresholds where they are several."""
    name, thresholds = config.get("target", ONE_CLASS.name), config.get("thresholds")
    if not isinstance(name, str) or name not in TARGETS:
        raise ModelError(f"{path / CONFIG}: expected a target ({', '.join(TARGETS)}), found {reprlib.repr(name)}")
    target = TARGETS[name]
    if target is ONE_CLASS and thresholds is None:
        return target, None
    if (
        target is ONE_CLASS
        or not isinstance(thresholds, list)
        or len(thresholds) != classes
        or not all(_is_number(found) and 0 < found <= 1 for found in thresholds)
    ):
        expected = "no thresholds" if target is ONE_CLASS else f"{classes} thresholds above 0 and up to 1"
        raise ModelError(f"{path / CONFIG}: expected {expected}, found {reprlib.repr(thresholds)}")
    return target, np.array(thresholds, np.float64)


def _temperature(found: Any, several: int | None, path: Path) -> Temperature:
    """Return the temperature, or that of each of several labels."""
    values = found if several is not None and isinstance(found, list) else [found]
    right = all(_is_number(value) and _LEAST_TEMPERATURE <= value <= _MOST_TEMPERATURE for value in values)
    if not right or len(values) not in (1, several):
        raise ModelError(f"{path / CONFIG}: expected a finite temperature above 0, found {reprlib.repr(found)}")
    return float(found) if values[0] is found else np.array(values, np.float64)


def _plain(temperature: Temperature) -> float | list[float]:
    """Return a temperature, or that of each label, as JSON."""
    return temperature.tolist() if isinstance(temperature, np.ndarray) else temperature


def _is_number(found: Any) -> bool:
    return isinstance(found, (int, float)) and not isinstance(found, bool)


def _check_source(path: Path) -> None:
    """Raise ModelError if there is no model at `path`."""
    if not path.exists():
        aside = path.absolute().with_name(f".{path.name}.old")
        hint = "train one first (textcnn train)"
        if aside.is_dir():
            hint = f"an interrupted save left one in {aside}: rename it"
        elif REPOSITORY.fullmatch(path.as_posix()):
            hint += f", or give {path.as_posix()}@main for one on the Hugging Face hub"
        raise ModelError(f"{path}: expected a saved model, found nothing there{nearest_files(path)}; {hint}")
    if not path.is_dir() or not has_model(path):
        kind = "a folder without config.json" if path.is_dir() else "a file"
        raise ModelError(f"{path}: expected the folder of a saved model, found {kind}")


def _parse_config(content: bytes, path: Path) -> dict[str, Any]:
    """Return the object of config.json in the newest version's form."""
    config = parse(content, path / CONFIG)
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        raise ModelError(f"{path / CONFIG}: expected a model of textcnn, found a file of another program")
    check_hash(config, path / CONFIG)
    version = config.get("version")
    if type(version) is not int or version < 1:
        raise ModelError(
            f"{path / CONFIG}: expected a version of the format from 1 to {VERSION}, found {reprlib.repr(version)}"
        )
    if version > VERSION:
        raise ModelError(
            f"{path / CONFIG}: expected version {VERSION} of the format or an older one, found {version}: "
            f"a newer textcnn saved it (this is {__version__}); upgrade textcnn"
        )
    while version < VERSION:
        if version not in UPGRADES:
            writer = reprlib.repr(config.get("textcnn", "of an unknown version"))
            raise ModelError(
                f"{path / CONFIG}: expected version {VERSION} of the format, found {version}, which is no longer read: "
                f"an older textcnn saved it ({writer}); train the model again"
            )
        config = UPGRADES[version](config)
        version += 1
    unknown = sorted(config.keys() - _FIELDS)
    if unknown:
        raise ModelError(
            f"{path / CONFIG}: expected the fields of a model alone, found {reprlib.repr(unknown[0])} beside them: "
            "the file is damaged, or a newer textcnn saved it; copy the model again, or upgrade textcnn"
        )
    if not isinstance(config.get("files"), dict):
        raise ModelError(f"{path / CONFIG}: expected the SHA-256 of each file under 'files', found none")
    return config


def _label_type(classes: np.ndarray) -> str:
    kind = _LABEL_TYPES.get(np.array(classes.tolist()).dtype.kind)
    if kind is None:
        raise ModelError(f"expected labels that are strings, integers, floats or booleans, found {classes.dtype}")
    return kind


def _card(artifact: Artifact, publication: Publication | None) -> str:
    return model_card(
        text=artifact.text,
        model=artifact.model,
        classes=artifact.classes.tolist(),
        words=len(artifact.words),
        training=artifact.training,
        metrics=artifact.metrics,
        temperature=artifact.temperature,
        target=artifact.target,
        publication=publication,
    )
