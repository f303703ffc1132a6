"""The study: Optuna's record of a search, in a file beside the model or in a database of several machines."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textcnn.errors import ConfigError, DataError, ModelError, one_line
from textcnn.tuning.outcomes import DEFAULTS

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.study import Study
    from optuna.trial import Trial

WAIT = 10.0  # seconds for another process to end its writing of a file
_NEAR, _OPEN = 9, 3  # trials near the defaults, and how many settings they change
_IDENTITY = "textcnn"  # of a study's attributes


def check_optuna() -> None:
    """Raise ConfigError if Optuna is not installed."""
    try:
        import optuna  # noqa: F401
    except ImportError:
        raise ConfigError(
            "expected Optuna, which does the searching, found none; install it: pip install 'textcnn[tune]'"
        ) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Optuna's messages, and its warnings of experimental features, from the user."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


class Place:
    """Where a study is kept.

    Args:
        file: beside the model.
        name: of the study.
        url: of a database that several machines share; None for the file.
    """

    def __init__(self, file: Path, name: str, url: str | None = None) -> None:
        self.file, self.name, self.url = file, name, url

    @property
    def exists(self) -> bool:
        """Whether there may be a study; a database is not asked."""
        return self.url is not None or self.file.exists()

    def __str__(self) -> str:
        """Return how messages name it, without a password."""
        from sqlalchemy.engine import make_url

        return str(self.file) if self.url is None else make_url(self.url).render_as_string(hide_password=True)

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Raise a database's errors as ModelError, on one line."""
        from optuna.exceptions import StorageInternalError
        from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

        try:
            yield
        except (ArgumentError, NoSuchModuleError) as error:
            raise ConfigError(
                f"storage: expected the URL of a database such as postgresql://user@host/name, found another "
                f"({one_line(error)})"
            ) from None
        except (StorageInternalError, SQLAlchemyError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            found = getattr(cause, "orig", None) if isinstance(cause, DBAPIError) else None
            reason = one_line(found or cause or error)
            advice = (
                "another process writes there: try again when it is done"
                if "locked" in reason
                else "choose another, or replace it (--overwrite)"
            )
            raise ModelError(f"{self}: expected to read and write a study there, found: {reason}; {advice}") from None

    @contextmanager
    def opened(self, identity: Mapping[str, Any], *, seed: int, resume: bool, overwrite: bool) -> Iterator[Study]:
        """Create the study, or continue the one that is there.

        Args:
            identity: what a study must have in common with this search to be gone on with, as JSON.
            seed: of what is tried.
            resume: continue a study that is there.
            overwrite: replace it.

        Raises:
            DataError: a study is there, or is of another search.
            ModelError: the file or the database cannot be used.
            ConfigError: the URL is none of a database, or its driver is missing.
        """
        import optuna

        if self.url is None and overwrite and not resume:
            self.file.unlink(missing_ok=True)
        with self.errors():
            storage = self._storage()
        try:
            with self.errors():
                study = self._study(storage, resume=resume, overwrite=overwrite)
                self._check(study, json.loads(json.dumps(identity)))
                if self.url is None:  # no other process is in it
                    self._fail_unfinished(study)
                done = len(study.get_trials(deepcopy=False))
                # A sampler begins anew with each process: with the same seed it would repeat its first choices.
                study.sampler = optuna.samplers.TPESampler(seed=None if self.url else (seed + done) % 2**32)
            yield study
        finally:
            storage.remove_session()
            storage.engine.dispose()

    def _study(self, storage: RDBStorage, *, resume: bool, overwrite: bool) -> Study:
        import optuna

        known = {study.study_name for study in storage.get_all_studies()}
        if self.name in known and not resume:
            study = optuna.load_study(study_name=self.name, storage=storage)
            if not overwrite and any(trial.value is not None for trial in study.get_trials(deepcopy=False)):
                raise DataError(
                    f"{self}: expected no search there, found one; resume it (--resume) or replace it (--overwrite)"
                )
            optuna.delete_study(study_name=self.name, storage=storage)
        return optuna.create_study(
            storage=storage,
            study_name=self.name,
            direction="maximize",
            load_if_exists=True,
        )

    def _storage(self) -> RDBStorage:
        from optuna.storages import RDBStorage
        from sqlalchemy.engine import URL

        # Optuna fills braces in a URL.
        url = self.url or URL.create("sqlite", database=str(self.file)).render_as_string().replace("{", "{{")
        url = url if self.url else url.replace("}", "}}")
        waits = {"connect_args": {"timeout": WAIT}} if url.startswith("sqlite") else {}
        try:
            return RDBStorage(url, engine_kwargs=waits)
        except ImportError as error:
            raise ConfigError(f"{self}: expected the database's driver, found none ({one_line(error)})") from None

    def _check(self, study: Study, identity: Mapping[str, Any]) -> None:
        """Raise DataError if the study is of another search; a new one becomes this search's."""
        kept = study.user_attrs.get(_IDENTITY)
        if kept is None and not study.get_trials(deepcopy=False):
            study.set_user_attr(_IDENTITY, identity)
            return
        other = sorted(name for name in identity if not isinstance(kept, dict) or kept.get(name) != identity[name])
        if other:
            raise DataError(
                f"{self}: expected a search of these data and options, found one with other {', '.join(other)}; use "
                "those of that search, or another model folder"
            )

    @staticmethod
    def _fail_unfinished(study: Study) -> None:
        """Mark the trials that a process left when it was killed."""
        import optuna

        for trial in study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def ask(study: Study, defaults: Mapping[str, Any], seed: int) -> Trial:
    """Return the next trial: the first has the defaults, those after it all but a few of them, the others are Optuna's.

    What is drawn at random for all settings at once is hardly ever as good as the defaults.

    Args:
        study: Optuna's record.
        defaults: of the open settings, by their names in the study.
        seed: of what the second kind changes.
    """
    import numpy as np
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    if not any(trial.user_attrs.get(DEFAULTS) and trial.state != TrialState.FAIL for trial in trials):
        study.enqueue_trial(dict(defaults), user_attrs={DEFAULTS: True})
    elif len(trials) <= _NEAR:
        names = np.random.default_rng([seed, len(trials)]).permutation(list(defaults))[_OPEN:].tolist()
        study.enqueue_trial({name: defaults[name] for name in names})
    return study.ask()
