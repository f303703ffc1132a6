"""A training run as a whole: what `textcnn train` does, as functions of the library."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textcnn.data import corpus_names, describe
from textcnn.data.labelled import Labelled, concatenate
from textcnn.data.soft_labels import SoftLabels, without
from textcnn.errors import DataError, ModelError
from textcnn.files import discard, locked
from textcnn.inference.artifact import REPORT, check_target, load_artifact, save_artifact
from textcnn.model import Model
from textcnn.settings.options import Settings
from textcnn.training.cross_validation import CrossValidation, Fold, cross_validate
from textcnn.training.group import ONE_PROCESS, TrainingGroup
from textcnn.training.pipeline import Trained, train_model
from textcnn.training.progress import History, Progress

WAIT = 5.0  # seconds for another run to end


@dataclass(frozen=True)
class Destination:
    """Where a run writes: the model's folder, and beside it what keeps an unfinished run.

    Attributes:
        folder: of the model.
    """

    folder: Path

    @property
    def checkpoint(self) -> Path:
        """The file that keeps a training between its epochs."""
        return self._beside(".checkpoint")

    @property
    def folds(self) -> Path:
        """The file that keeps the scores of a cross-validation's finished folds."""
        return self._beside(".cv.json")

    @property
    def study(self) -> Path:
        """The file that keeps a search for settings."""
        return self._beside(".tune.db")

    @property
    def answers(self) -> Path:
        """The folder that keeps a teacher's answers."""
        return self._beside(".answers")

    @property
    def rounds(self) -> Path:
        """The folder that keeps the models of a self-training."""
        return self._beside(".rounds")

    @contextmanager
    def reserved(self) -> Iterator[None]:
        """Keep other runs out while this one trains.

        Raises:
            ModelError: another run, which is named, trains into the folder.
        """
        try:
            with locked(self._beside(".lock"), wait=WAIT):
                yield
        except TimeoutError as error:
            raise ModelError(f"{self.folder}: expected no other run for this folder: {error.strerror}") from None

    def _beside(self, ending: str) -> Path:
        folder = self.folder.absolute()
        if not folder.name:
            raise ModelError(f"{folder}: expected a folder to save the model in, found the root; choose another")
        return folder.with_name(folder.name + ending)

    def replaces(self, *, overwrite: bool, resume: bool) -> bool:
        """Return whether a model in the folder is to be replaced: resuming replaces what the interrupted run saved."""
        return overwrite or (resume and self.checkpoint.exists())

    def check(self, *, overwrite: bool, resume: bool) -> None:
        """Raise an error before any work is done if the model could not be saved.

        Raises:
            ModelError: something else is in the folder, or it cannot be written.
            DataError: an unfinished run is there.
        """
        check_target(self.folder, overwrite=self.replaces(overwrite=overwrite, resume=resume))
        if self.checkpoint.exists() and not (resume or overwrite):
            raise DataError(
                f"{self.checkpoint}: expected no unfinished run, found one; resume it (--resume) or replace it "
                "(--overwrite)"
            )

    def check_folds(self, *, overwrite: bool, resume: bool) -> None:
        """Raise DataError if the scores of another cross-validation would be lost."""
        if self.folds.exists() and not (resume or overwrite):
            raise DataError(
                f"{self.folds}: expected no scores of folds, found some; resume them (--resume) or replace them "
                "(--overwrite)"
            )


@dataclass(frozen=True)
class Run:
    """What a training run made.

    Attributes:
        model: the trained model, saved; its `artifact.metrics` has the scores.
        history: how training went; `interrupted` if Ctrl-C ended it.
        report: the page on the model, or None.
        report_error: why the page could not be written, or None.
    """

    model: Model
    history: History
    report: Path | None = None
    report_error: Exception | None = None


def train_and_save(
    parts: Mapping[str, Labelled],
    classes: Sequence[Any],
    output: Path,
    settings: Settings | None = None,
    *,
    soft: SoftLabels | None = None,
    teacher: Mapping[str, np.ndarray] | None = None,
    source: str = "",
    overwrite: bool = False,
    resume: bool = False,
    report: bool = True,
    scores: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    group: TrainingGroup = ONE_PROCESS,
) -> Run:
    """Train a model, score its test texts once, save it, and write its page.

    Args:
        parts: labelled texts by split: `train`, and `validation` and `test` where there are such.
        classes: the labels in the order of their ids.
        output: folder to save the model in.
        settings: of the run; None for the defaults.
        soft: texts with soft labels, to learn from too; those of validation and test texts are left out.
        teacher: the probabilities that their teacher gives the texts of other splits, (N, K), to be compared with.
        source: what the texts are, for the model card and the page.
        overwrite: replace a model in the folder, and an unfinished run.
        resume: continue a run that was stopped.
        report: write the page on the model into its folder.
        scores: of a cross-validation, to be saved with the model.
        progress: receives how training goes.
        group: the processes that train together, each of which calls this; the first one writes.

    Raises:
        DataError, ConfigError, VectorsError, TrainingError, ModelError: as in
            `textcnn.training.pipeline.train_model`; ModelError too if the model cannot be saved.
        KeyboardInterrupt: Ctrl-C before the first epoch's end.
    """
    settings = settings or Settings()
    destination = Destination(output)
    with destination.reserved() if group.leads else nullcontext():
        if group.leads:
            destination.check(overwrite=overwrite, resume=resume)
        replaces = destination.replaces(overwrite=overwrite, resume=resume)
        trained = train_model(
            parts["train"],
            np.array(classes),
            settings,
            validation=parts.get("validation"),
            soft=None if soft is None else without(soft, [parts["test"]] if "test" in parts else []),
            progress=progress,
            checkpoint=destination.checkpoint,
            resume=resume,
            group=group,
        )
        if not group.leads:
            group.wait()
            return Run(Model(trained.artifact), trained.history)
        if scores is not None:
            trained.artifact.training["cross_validation"] = dict(scores)
        run = save_trained(trained, parts, classes, output, teacher=teacher, source=source, overwrite=replaces)
        if not run.history.interrupted:
            discard(destination.checkpoint)
            run = with_page(run, output, source, trained, parts, progress=progress) if report else run
        group.wait()  # until here torchrun would end this process with another that has nothing more to do
        return run


def save_trained(
    trained: Trained,
    parts: Mapping[str, Labelled],
    classes: Sequence[Any],
    output: Path,
    *,
    source: str,
    overwrite: bool,
    teacher: Mapping[str, np.ndarray] | None = None,
) -> Run:
    """Score the test texts of a trained model, if there are any, and save it.

    Arguments and errors are as in `train_and_save`.
    """
    artifact = trained.artifact
    run = Run(Model(artifact), trained.history)
    artifact.training["source"] = source.encode("utf-8", "replace").decode()  # file names can be other than UTF-8
    if "test" in parts:
        test, names = parts["test"], [str(label) for label in classes]
        probabilities = run.model.predict_proba(test.texts)
        artifact.metrics["test"] = artifact.target.evaluate(test.labels, probabilities, names, artifact.thresholds)
    for split, wanted in (teacher or {}).items():
        artifact.metrics[split]["teacher"] = _beside_teacher(run.model, parts[split], wanted)
    save_artifact(artifact, output, overwrite=overwrite)
    return run


def _beside_teacher(model: Model, part: Labelled, probabilities: np.ndarray) -> dict[str, float]:
    """Return the accuracy of a teacher, and the share of texts that it and its student give the same labels."""
    given = model.target.decide(probabilities)
    own = model.decide(model.predict_proba(part.texts))
    return {
        "accuracy": float(model.target.right(part.labels, given).mean()),
        "agreement": float(model.target.right(given, own).mean()),
    }


def with_page(
    run: Run,
    output: Path,
    source: str,
    trained: Trained,
    parts: Mapping[str, Labelled],
    *,
    progress: Progress | None = None,
) -> Run:
    """Write the page on a saved model, on its test or else its validation texts; a failure loses nothing."""
    from textcnn.report.page import write_report

    if progress is not None:
        progress.stage("writing the report", None)

    try:
        test, training = parts.get("test"), parts["train"]
        scored = {"test": test} if test is not None and len(test) else {"validation": trained.validation}
        [(split, texts)] = scored.items()
        folds = trained.probabilities if texts is trained.training else None
        training = training if texts is test else trained.training
        write_report(run.model, output / REPORT, texts, training, source=source, split=split, folds=folds)
    except Exception as error:  # noqa: BLE001
        return dataclasses.replace(run, report_error=error)
    return dataclasses.replace(run, report=output / REPORT)


def texts_for_folds(parts: Mapping[str, Labelled], corpus: str | None = None) -> tuple[Labelled, dict[str, Labelled]]:
    """Return the texts to cross-validate, and the fixed test, which is not among them.

    Args:
        parts: labelled texts by split.
        corpus: name of the corpus whose own splits these are, or None. Of a corpus that its papers cross-validate all
            splits are taken.
    """
    whole = corpus in corpus_names() and describe(str(corpus)).folds > 0
    fixed = {split: part for split, part in parts.items() if split == "test" and not whole}
    return concatenate([part for split, part in parts.items() if split not in fixed]), fixed


def cross_validate_and_save(
    texts: Labelled,
    classes: Sequence[Any],
    output: Path,
    settings: Settings | None = None,
    *,
    folds: int,
    overwrite: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    on_fold: Callable[[Fold], None] = lambda fold: None,
) -> CrossValidation:
    """Cross-validate, and keep each fold's scores and probabilities in files beside the model's folder.

    Args:
        texts: all labelled texts.
        classes: the labels in the order of their ids.
        output: the model's folder, beside which `Destination.folds` is written, and the probabilities beside that.
        settings: the same for all folds; None for the defaults.
        folds: how many.
        overwrite: replace the scores that are there.
        resume: continue a run that was stopped.
        progress: receives how each training goes.
        on_fold: is called with each fold's scores as they come.

    Raises:
        DataError: scores are there already, or as in `textcnn.training.cross_validation.cross_validate`.
    """
    destination = Destination(output)
    with destination.reserved():
        destination.check_folds(overwrite=overwrite, resume=resume)
        return cross_validate(
            texts,
            np.array(classes),
            settings or Settings(),
            folds=folds,
            results=destination.folds,
            resume=resume,
            progress=progress,
            on_fold=on_fold,
        )


def check_start(settings: Settings) -> None:
    """Raise ConfigError if settings contradict the model to start from, before the corpus is read."""
    if settings.init_from is not None:
        from textcnn.training.transfer import adopt

        adopt(settings, load_artifact(settings.init_from))
