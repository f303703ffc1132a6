"""The search as a whole: what `textcnn tune` does, as a function of the library.

Trials are Optuna's (Akiba et al. 2019): a tree-structured Parzen estimator proposes settings. Hopeless ones are ended
early by asynchronous successive halving (Li et al. 2020); it is Optuna's pruner, but for models over a limit, which do
not compete. Each is trained as `textcnn train` would, and all are compared on the same validation texts. The
first has the defaults, so that what is found is no worse than these there. The test texts are scored once, at the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textcnn.data.labelled import Labelled
from textcnn.errors import ConfigError, ModelError, TrainingError
from textcnn.inference.artifact import SEARCH
from textcnn.run import Destination, Run, save_trained, with_page
from textcnn.training.pipeline import Trained, train_model
from textcnn.training.progress import Progress
from textcnn.tuning._space import Space
from textcnn.tuning._study import Place, ask, check_optuna, quiet
from textcnn.tuning._summary import write_summary
from textcnn.tuning._trials import Hopeless, Watch, cost_of
from textcnn.tuning.outcomes import (
    CUT,
    DEFAULTS,
    ENDED,
    FAILED,
    FINISHED,
    HOPELESS,
    INTERRUPTED,
    OUT_OF_TIME,
    Limits,
    SearchProgress,
    TrialResult,
    best_of,
)

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

RUNGS, SHARE = (2, 6, 18), 3  # after as many epochs one of three trials goes on
REPEATS = 50  # trials in a row that repeat others: nothing new is left to try
_ANYWHERE = {"device"}  # settings that machines which share a search may differ in


@dataclass(frozen=True)
class Found:
    """What a search found.

    Attributes:
        run: the best trial's model, saved.
        best: that trial.
        trials: all that have ended, of earlier processes too.
        interrupted: whether Ctrl-C ended the search.
        page: the page on the search, or None.
    """

    run: Run
    best: TrialResult
    trials: list[TrialResult]
    interrupted: bool
    page: Path | None = None


def check_search(keywords: Mapping[str, Any], **options: Any) -> None:
    """Raise ConfigError if Optuna is missing or the fixed settings are wrong; arguments as in `tune`."""
    check_optuna()
    Space(keywords, **options)


def tune(
    parts: Mapping[str, Labelled],
    classes: Sequence[Any],
    output: Path,
    keywords: Mapping[str, Any] | None = None,
    *,
    budget: float,
    max_trials: int | None = None,
    max_mb: float | None = None,
    max_latency: float | None = None,
    storage: str | None = None,
    source: str = "",
    overwrite: bool = False,
    resume: bool = False,
    report: bool = True,
    progress: SearchProgress | None = None,
    **options: Any,
) -> Found:
    """Search for settings, score the test texts of the best model once, save it, and write its pages.

    Args:
        parts: labelled texts by split: `train`, and `validation` and `test` where there are such.
        classes: the labels in the order of their ids.
        output: folder to save the model in; the search is kept in a file beside it (`Destination.study`).
        keywords: the settings that are not searched, as flat keywords (`textcnn.settings.options.all_settings`).
        budget: seconds to search for, of this call. A trial that trains at their end is ended with its best epoch so
            far. Scoring the test texts and writing pages come on top.
        max_trials: end after as many trials, of this call.
        max_mb: the model's folder may have as many millions of bytes.
        max_latency: microseconds that a prediction of one text may take, here and now.
        storage: URL of a database that keeps the search instead, for several machines; the search has the name of the
            output folder there.
        source: what the texts are, for the model card and the pages.
        overwrite: replace a model in the folder, and an earlier search.
        resume: continue an earlier search, or join one. If its best model is not in this process, a model is trained
            with the same settings at the end, for which time is set aside.
        report: write the pages on the model and on the search into the folder.
        progress: receives how the search goes.
        options: as of `textcnn.settings.options.make_settings`: `vectors`, `max_words` and `trust_pickle`.

    Raises:
        ConfigError: Optuna is missing, a setting is wrong, or the budget is too small for an epoch.
        DataError: an earlier search is there, or is of other data or options; or as in `train_model`.
        TrainingError: no model is within the limits; or as in `train_model`.
        ModelError: the model or the search cannot be saved.
        KeyboardInterrupt: Ctrl-C before there is a model.
    """
    ends = time.monotonic() + budget
    check_optuna()
    space = Space(keywords or {}, **options)
    if not budget > 0:
        raise ConfigError(f"budget: expected seconds above 0, found {budget!r}")
    destination = Destination(output)
    place = Place(destination.study, output.absolute().name, storage)
    replaces = overwrite or (resume and place.exists)

    def save(trained: Trained) -> Run:
        return save_trained(trained, parts, classes, output, source=source, overwrite=replaces)

    with destination.reserved(), quiet():
        destination.check(overwrite=replaces, resume=False)
        seed = space.settings(space.defaults()).training.seed
        identity, limits = _identity(parts, classes, space), Limits(max_mb, max_latency)
        progress = progress or SearchProgress()
        with place.opened(identity, seed=seed, resume=resume, overwrite=overwrite) as study:
            search = _Search(study, space, parts, np.array(classes), limits, seed, ends, budget, progress)
            try:
                with place.errors():
                    interrupted = search.run(max_trials)
                    best, trained = search.winner(interrupted)
                    trials = search.trials()
            except ModelError as error:
                if search.kept is None:
                    raise
                save(search.kept[1])
                raise ModelError(f"{error}; the best model of this call is saved in {output}") from None
            found = Found(save(trained), best, trials, interrupted)
            if interrupted or not report:
                return found
            progress.stage("writing the report")
            found = dataclasses.replace(found, run=with_page(found.run, output, source, trained, parts))
            return _with_summary(found, search, output, source)


def _with_summary(found: Found, search: _Search, output: Path, source: str) -> Found:
    """Write the page on the search; a failure loses nothing."""
    try:
        page = write_summary(
            search.study, found.trials, found.best, output / SEARCH, limits=search.limits, source=source
        )
    except Exception as error:  # noqa: BLE001
        return dataclasses.replace(found, run=dataclasses.replace(found.run, report_error=error))
    return dataclasses.replace(found, page=page)


@dataclass
class _Search:
    """The trials of one call.

    Attributes:
        study: Optuna's record.
        space: what is searched.
        parts: labelled texts by split.
        classes: the labels, (K,).
        limits: what a model may cost.
        seed: of what is tried.
        ends: the budget's end, by `time.monotonic`.
        budget: in seconds.
        progress: receives how the search goes.
        kept: number and model of the best trial of this call.
        best: the best trial of all.
        reserve: seconds set aside to train the best trial's model again.
        memory: of training, between the trials.
    """

    study: Study
    space: Space
    parts: Mapping[str, Labelled]
    classes: np.ndarray
    limits: Limits
    seed: int
    ends: float
    budget: float
    progress: SearchProgress
    kept: tuple[int, Trained] | None = None
    best: TrialResult | None = None
    reserve: float = 0.0
    memory: dict[bytes, Any] = field(default_factory=dict)

    def run(self, most: int | None) -> bool:
        """Run trials until the budget is spent, there are as many as asked for, or Ctrl-C; return whether that was."""
        done = repeats = 0
        try:
            self._compare()
            while (most is None or done < most) and repeats < REPEATS and self._left() > 0:
                trial = ask(self.study, self.space.defaults(), self.seed)
                self.space.suggest(trial)
                if self._is_known(trial):
                    self._fail(trial)
                    repeats += 1
                elif self._run_trial(trial):
                    return True
                else:
                    done, repeats = done + 1, 0
        except KeyboardInterrupt:
            if self.kept is None:
                raise
            return True
        return False

    def trials(self) -> list[TrialResult]:
        """Return the trials that have ended."""
        found = self.study.get_trials(deepcopy=False)
        return [TrialResult.of(one, self.space.keywords(one.params)) for one in found if ENDED in one.user_attrs]

    def winner(self, interrupted: bool) -> tuple[TrialResult, Trained]:
        """Return the best trial and its model, which is trained again if another process had it.

        Raises:
            KeyboardInterrupt: the search was interrupted, and the best model is not here.
            ConfigError: no trial has a model.
            TrainingError: none of the models is within the limits.
        """
        self._compare()
        if self.best is not None and self.kept is not None and self.kept[0] == self.best.number:
            return self.best, self.kept[1]
        if interrupted:
            raise KeyboardInterrupt
        if self.best is None:
            raise self._nothing()
        self.progress.stage(f"training with the settings of trial {self.best.number} again")
        values = self.study.get_trials(deepcopy=False)[self.best.number - 1].params
        trained = self._train(values, Progress())
        if trained.history.interrupted:  # it is not the best trial's
            raise KeyboardInterrupt
        return self.best, trained

    def _compare(self) -> None:
        """Find the best trial, and set time aside to train it again if another process had it."""
        self.best = best_of(self.trials(), self.limits)
        here = self.best is None or (self.kept is not None and self.kept[0] == self.best.number)
        self.reserve = 0.0 if here or self.best is None else self.best.seconds

    def _left(self) -> float:
        """Return the seconds that are left for trials."""
        return self.ends - self.reserve - time.monotonic()

    def _is_known(self, trial: Trial) -> bool:
        """Return whether an earlier trial had the same settings, which would give the same model."""
        chosen = self.space.keywords(trial.params)
        return any(one.keywords == chosen and one.outcome not in CUT for one in self.trials())

    def _run_trial(self, trial: Trial) -> bool:
        """Train with what a trial chooses, and keep the model if it is the best; return whether Ctrl-C ended it."""
        defaults = bool(trial.user_attrs.get(DEFAULTS))

        def show() -> None:
            left = max(self._left(), 0.0)
            self.progress.running(trial.number + 1, min(1 - left / self.budget, 1.0), self.best, left)

        def hopeless(epoch: int, score: float) -> bool:
            return not defaults and self._is_hopeless(epoch, score)

        watch = Watch(trial, self._left, show, hopeless)
        begin = time.monotonic()
        trained, outcome = None, FAILED
        try:
            with _warnings(shown=defaults):
                trained = self._train(trial.params, watch)
            outcome = FINISHED
            if trained.history.interrupted:
                outcome = OUT_OF_TIME if watch.spent else INTERRUPTED
        except Hopeless:
            outcome = HOPELESS
        except KeyboardInterrupt:
            if not watch.spent:
                self._fail(trial)
                raise
            outcome = OUT_OF_TIME
        except Exception as error:
            if defaults or not isinstance(error, (ConfigError, TrainingError)):
                self._fail(trial)
                raise
        self._tell(trial, watch.ended(outcome) | {"seconds": time.monotonic() - begin}, trained)
        return outcome == INTERRUPTED

    def _is_hopeless(self, epoch: int, score: float) -> bool:
        """Return whether a trial's score after an epoch, which is kept already, is not among the best ones."""
        if epoch not in RUNGS:
            return False
        over = {one.number for one in self.trials() if self.limits.broken_by(one)}
        trials = [one for one in self.study.get_trials(deepcopy=False) if one.number + 1 not in over]
        found = (one.intermediate_values.get(epoch) for one in trials)
        scores = sorted((one for one in found if one is not None), reverse=True)
        return score < scores[max(len(scores) // SHARE, 1) - 1]

    def _train(self, values: Mapping[str, Any], progress: Progress) -> Trained:
        settings = self.space.settings(values)
        validation = self.parts.get("validation")
        return train_model(
            self.parts["train"], self.classes, settings, validation=validation, progress=progress, memory=self.memory
        )

    def _fail(self, trial: Trial) -> None:
        from optuna.trial import TrialState

        self.study.tell(trial, state=TrialState.FAIL)

    def _tell(self, trial: Trial, ended: dict[str, Any], trained: Trained | None) -> None:
        """Keep what is known of a trial that has ended, and its model if it is the best."""
        from optuna.trial import TrialState

        if trained is not None:
            ended["megabytes"], ended["microseconds"] = cost_of(trained.artifact, trained.validation.texts)
        number = trial.number + 1
        defaults = bool(trial.user_attrs.get(DEFAULTS))
        result = TrialResult(number=number, keywords=self.space.keywords(trial.params), defaults=defaults, **ended)
        for unit, excess in self.limits.excess(result).items():
            trial.set_constraint(unit, excess)
        trial.set_user_attr(ENDED, ended)
        if trained is not None:
            self.study.tell(trial, result.score)
        else:
            self.study.tell(trial, state=TrialState.FAIL if ended["outcome"] == OUT_OF_TIME else TrialState.PRUNED)
        self._compare()
        if trained is not None and self.best is not None and self.best.number == number:
            self.kept = (number, trained)
            self._compare()
        self.progress.ended(result, self.best, max(self._left(), 0.0))

    def _nothing(self) -> ConfigError | TrainingError:
        """Return the error of a search without a model to save."""
        models = [trial for trial in self.trials() if trial.megabytes is not None]
        if not models:
            return ConfigError(
                f"budget: expected time enough for the first epoch of a model, found {self.budget:g} seconds; give more"
            )
        smallest = min(trial.megabytes or 0.0 for trial in models)
        fastest = min(trial.microseconds or 0.0 for trial in models)
        return TrainingError(
            f"expected a model within the limits, found none among {len(models)}: the smallest has {smallest:,.1f} MB, "
            f"the fastest takes {fastest:,.0f} µs for a text; raise the limits, or search for longer (--resume)"
        )


@contextmanager
def _warnings(*, shown: bool) -> Iterator[None]:
    """Leave out the warnings of training, unless they are shown: those of the first trial hold for all."""
    training = logging.getLogger("textcnn.training")
    before = training.level
    training.setLevel(before if shown else logging.ERROR)
    try:
        yield
    finally:
        training.setLevel(before)


def _identity(parts: Mapping[str, Labelled], classes: Sequence[Any], space: Space) -> dict[str, Any]:
    """Return what two calls of a search have in common, as JSON."""
    data = hashlib.sha256(repr(list(map(str, classes))).encode())
    for part in (parts["train"], parts.get("validation")):
        if part is None:
            continue
        data.update("\0".join(part.texts.to_pylist()).encode("utf-8", "surrogatepass"))
        for array in (part.labels, part.groups, part.weights):
            data.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    vectors = space.vectors
    if isinstance(vectors, (str, PathLike)):
        vectors = [Path(vectors).name, Path(vectors).stat().st_size]
    elif vectors is not None:
        vectors = [len(vectors), vectors.vector_size]
    return {
        "data": data.hexdigest(),
        "word vectors": vectors,
        "options": {name: value for name, value in sorted(space.fixed.items()) if name not in _ANYWHERE},
    }
