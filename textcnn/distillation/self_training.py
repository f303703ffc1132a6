"""Self-training: models of the labels teach a student on unlabelled texts, which helps to teach the next one.

The first teacher is the mean of a few models that differ in their seeds. Each student joins its teacher for the next
round, until the validation score rises no more (as in noisy student training, Xie et al. 2020, whose student
takes its teacher's place).
"""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textcnn.distillation._answers import Answers
from textcnn.distillation._teachers import make_teacher
from textcnn.distillation.distilling import AnswerChoice, as_texts, splits_of, taught
from textcnn.errors import DataError
from textcnn.files import written_whole
from textcnn.model import Model, load_model
from textcnn.run import Destination, Run, save_trained, train_and_save, with_page
from textcnn.settings.options import Settings
from textcnn.targets import target_of
from textcnn.text.columns import Texts
from textcnn.training.cross_validation import identity_of
from textcnn.training.identity import differences
from textcnn.training.pipeline import Trained
from textcnn.training.progress import History, Progress
from textcnn.training.validation import held_out

if TYPE_CHECKING:
    import datasets

    from textcnn.data.labelled import Labelled, LabelledTables
    from textcnn.data.soft_labels import SoftLabels

MEMBERS, ROUNDS = 3, 3


def self_train(
    corpus: datasets.DatasetDict | LabelledTables,
    output: str | Path,
    *,
    unlabelled: Texts,
    settings: Settings | None = None,
    members: int = MEMBERS,
    rounds: int = ROUNDS,
    choice: AnswerChoice | None = None,
    source: str = "",
    overwrite: bool = False,
    resume: bool = False,
    report: bool = True,
    progress: Progress | None = None,
    on_model: Callable[[str, str, float], None] = lambda name, score, value: None,
) -> Run:
    """Train models on labelled texts, students on these models' answers to unlabelled texts, and save the best student.

    All are compared on the same validation texts; the test texts are scored once, by the student that is saved. What a
    run makes on the way stays in a folder beside the student's.

    Args:
        corpus: labelled texts, as `textcnn.load_corpus` or `textcnn.data.load_tables` returns them.
        output: folder to save the student in.
        unlabelled: further texts.
        settings: of every model, but for the seeds of the first; None for the defaults.
        members: how many models are the first teacher.
        rounds: how many students at most.
        choice: which answers are learned from; None for all.
        source: what the texts are, for the model card and the page.
        overwrite: replace a model in the folder, and an unfinished run.
        resume: continue a run that was stopped.
        report: write the page on the student into its folder.
        progress: receives how each training goes.
        on_model: is called with each model's name, and the name and value of its validation score.

    Raises:
        DataError: there are no unlabelled texts, or an unfinished run, or one of other texts or settings, is there.
        ConfigError, ModelError, TrainingError, VectorsError: as in `textcnn.run.train_and_save`.
    """
    progress, settings, output = progress or Progress(), settings or Settings(), Path(output)
    texts = as_texts(unlabelled)
    if not len(texts):
        raise DataError("expected unlabelled texts to train on, found none; give some (--unlabelled FILE)")
    destination = Destination(output)
    destination.check(overwrite=overwrite or resume, resume=resume)
    names, parts = splits_of(corpus)
    target = target_of(parts["train"].labels)
    if "validation" not in parts:
        parts["train"], parts["validation"] = held_out(parts["train"], settings.training, names)
    seen = {split: parts[split] for split in ("train", "validation")}
    folder = destination.rounds
    _begin(folder, seen, settings, members, overwrite=overwrite, resume=resume)
    key, shown = target.headline
    teachers = []
    for number in range(1, members + 1):
        seed = settings.training.seed + number - 1
        own = dataclasses.replace(settings, training=dataclasses.replace(settings.training, seed=seed))
        teachers.append(_trained(folder / f"member-{number}", seen, names, own, progress))
        on_model(f"member {number} of {members}", shown, teachers[-1].artifact.metrics["validation"][key])
    best, score = teachers[0], -np.inf
    for number in range(1, rounds + 1):
        student = folder / f"student-{number}"
        soft = None
        if not (student / "config.json").exists():
            answers = Answers(folder / f"answers-{number}", make_teacher(teachers, names, target), names)
            soft, _ = taught(answers, {"train": seen["train"]}, texts, target, choice or AnswerChoice(), progress)
        model = _trained(student, seen, names, settings, progress, soft=soft)
        found = model.artifact.metrics["validation"][key]
        on_model(f"student {number}", shown, found)
        if found <= score:
            break
        best, score = model, found
        teachers.append(model)
    history = History.from_json(best.artifact.training["history"])
    artifact = dataclasses.replace(best.artifact, metrics=dict(best.artifact.metrics))
    probabilities = best.predict_proba(seen["validation"].texts)
    trained = Trained(artifact, history, seen["train"], seen["validation"], probabilities)
    with destination.reserved():
        run = save_trained(trained, parts, names, output, source=source, overwrite=overwrite or resume)
        return with_page(run, output, source, trained, parts, progress=progress) if report else run


def _begin(
    folder: Path, parts: dict[str, Labelled], settings: Settings, members: int, *, overwrite: bool, resume: bool
) -> None:
    """Make the folder of a run, or check that the run in it is this one."""
    identity = {**identity_of(parts["train"], settings), "members": members}
    path = folder / "run.json"
    if overwrite:
        shutil.rmtree(folder, ignore_errors=True)
    if path.exists():
        if not resume:
            raise DataError(f"{folder}: expected no run, found one; resume it (--resume) or replace it (--overwrite)")
        different = differences(identity, json.loads(path.read_text(encoding="utf-8")))
        if different:
            raise DataError(
                f"{folder}: expected the run of these texts and settings, found one with other {', '.join(different)}; "
                "use those of that run, or replace it (--overwrite)"
            )
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.write((json.dumps(identity, indent=2) + "\n").encode())


def _trained(
    folder: Path,
    parts: dict[str, Labelled],
    names: Sequence[str],
    settings: Settings,
    progress: Progress,
    soft: SoftLabels | None = None,
) -> Model:
    """Train and save a model, unless it is there; go on where it was stopped.

    Raises:
        KeyboardInterrupt: Ctrl-C.
    """
    if not (folder / "config.json").exists() or Destination(folder).checkpoint.exists():
        run = train_and_save(parts, names, folder, settings, soft=soft, resume=True, report=False, progress=progress)
        if run.history.interrupted:
            raise KeyboardInterrupt
    return load_model(folder)
