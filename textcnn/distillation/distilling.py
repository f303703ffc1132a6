"""`distill`: labelled texts, unlabelled texts and a teacher to a saved student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textcnn.data.labelled import Labelled, LabelledTables, label_names
from textcnn.data.soft_labels import SoftLabels
from textcnn.distillation._answers import Answers
from textcnn.distillation._teachers import make_teacher
from textcnn.errors import ConfigError
from textcnn.run import Destination, Run, train_and_save
from textcnn.settings.options import Settings
from textcnn.targets import ONE_CLASS, Target, target_of
from textcnn.text.columns import Texts, as_column
from textcnn.training.progress import Progress

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class AnswerChoice:
    """Which answers to unlabelled texts a student learns from.

    Attributes:
        keep: the share of each class that is kept, the most certain first; where texts have several labels, of all.
        balance: whether each class has as many texts as the one with the fewest.

    Raises:
        ConfigError: `keep` is not above 0 and at most 1.
    """

    keep: float = 1.0
    balance: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.keep <= 1:
            raise ConfigError(f"keep: expected a share above 0 and at most 1, found {self.keep}")

    def of(self, soft: SoftLabels, target: Target) -> SoftLabels:
        """Return the chosen ones, in their order.

        Raises:
            ConfigError: texts of several labels are to be balanced.
        """
        if self.keep == 1 and not self.balance:
            return soft
        groups = np.zeros(len(soft), np.int64)
        if target is ONE_CLASS:
            groups, certainty = soft.probabilities.argmax(axis=1), soft.probabilities.max(axis=1)
        elif self.balance:
            raise ConfigError("balance: expected one class a text, found several labels; leave it out")
        else:
            certainty = target.margins(soft.probabilities)
        order = np.argsort(-certainty, kind="stable")
        members = [order[groups[order] == each] for each in np.unique(groups)]
        sizes = [max(1, round(self.keep * len(own))) for own in members]
        if self.balance:
            sizes = [min(sizes)] * len(sizes)
        rows = [own[:size] for own, size in zip(members, sizes, strict=True)]
        return soft.take(np.sort(np.concatenate([np.zeros(0, np.int64), *rows])))


def distill(
    corpus: datasets.DatasetDict | LabelledTables,
    output: str | Path,
    *,
    teacher: Any,
    unlabelled: Texts = (),
    settings: Settings | None = None,
    choice: AnswerChoice | None = None,
    answers: Path | None = None,
    source: str = "",
    overwrite: bool = False,
    resume: bool = False,
    report: bool = True,
    progress: Progress | None = None,
) -> Run:
    """Train a student on labelled texts and on a teacher's answers to these and to unlabelled texts, and save it.

    The teacher answers the validation and test texts too, to be compared with the student; nothing is learned from
    that. Its answers stay in a folder, from which another run with the same teacher and texts takes them.

    Args:
        corpus: labelled texts, as `textcnn.load_corpus` or `textcnn.data.load_tables` returns them.
        output: folder to save the student in.
        teacher: as of `textcnn.distillation._teachers.make_teacher`.
        unlabelled: further texts.
        settings: of the student; None for the defaults.
        choice: which answers to unlabelled texts are learned from; None for all.
        answers: folder of the teacher's answers; None for one beside the student's.
        source: what the texts are, for the model card and the page.
        overwrite: replace a model in the folder, and an unfinished run.
        resume: continue a run that was stopped.
        report: write the page on the student into its folder.
        progress: receives how the teacher and the training go.

    Returns:
        The student, whose `artifact.metrics` hold its scores, its teacher's, and the share of texts that both label the
        same.

    Raises:
        ConfigError: the teacher's classes are others, or as in `textcnn.run.train_and_save`.
        DataError: the teacher fails, its answers are no probabilities, or the kept ones are another teacher's.
        ModelError, TrainingError, VectorsError: as in `textcnn.run.train_and_save`.
    """
    progress, settings, output = progress or Progress(), settings or Settings(), Path(output)
    Destination(output).check(overwrite=overwrite, resume=resume)
    names, parts = splits_of(corpus)
    target = target_of(parts["train"].labels)
    found = make_teacher(teacher, names, target, device=settings.training.device)
    texts = as_texts(unlabelled)
    kept = Answers(answers or Destination(output).answers, found, names)
    soft, scored = taught(kept, parts, texts, target, choice or AnswerChoice(), progress)
    return train_and_save(
        parts,
        names,
        output,
        settings,
        soft=soft,
        teacher=scored,
        source=source,
        overwrite=overwrite,
        resume=resume,
        report=report,
        progress=progress,
    )


def taught(
    answers: Answers,
    parts: Mapping[str, Labelled],
    unlabelled: pa.ChunkedArray,
    target: Target,
    choice: AnswerChoice,
    progress: Progress,
) -> tuple[SoftLabels, dict[str, np.ndarray]]:
    """Return the soft labels of training and unlabelled texts, and the teacher's probabilities of the other splits."""
    texts = {split: part.texts for split, part in parts.items()} | {"unlabelled": unlabelled}
    total, done = sum(map(len, texts.values())), 0

    def on_texts(number: int) -> None:
        nonlocal done
        done += number
        progress.stage("the teacher answers", done / total)

    progress.stage("the teacher answers", 0.0)
    found = {name: answers.to(name, column, on_texts=on_texts) for name, column in texts.items()}
    more = choice.of(SoftLabels(unlabelled, found.pop("unlabelled")), target)
    own = SoftLabels(texts["train"], found.pop("train"))
    column = pa.chunked_array([*own.texts.cast(pa.string()).chunks, *more.texts.chunks], pa.string())
    return SoftLabels(column, np.concatenate([own.probabilities, more.probabilities])), found


def splits_of(corpus: datasets.DatasetDict | LabelledTables) -> tuple[list[str], dict[str, Labelled]]:
    """Return the classes of a corpus, and its labelled texts by split."""
    if isinstance(corpus, LabelledTables):
        return corpus.classes, corpus.parts()
    splits = [split for split in ("train", "validation", "test") if split in corpus]
    return label_names(corpus), {split: Labelled.from_dataset(corpus[split]) for split in splits}


def as_texts(given: Texts) -> pa.ChunkedArray:
    """Return texts as a column without blank ones, of equal ones the first."""
    column = as_column(given, what="unlabelled")
    column = column.filter(pc.greater(pc.utf8_length(pc.utf8_trim_whitespace(column)), 0))
    return pa.chunked_array([pc.unique(column)], pa.string())
