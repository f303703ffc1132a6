"""What the page on a search shows, from its trials and its study."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from textcnn.settings.options import all_settings, flags_of
from textcnn.tuning.outcomes import Limits, TrialResult, best_of

if TYPE_CHECKING:
    from optuna.study import Study

COMPARED = 10  # finished trials before the importance of settings is estimated


def write_summary(
    study: Study, trials: list[TrialResult], best: TrialResult, path: Path, *, limits: Limits, source: str
) -> Path:
    """Write the page on a search (`textcnn.report.search_page`), and return its path.

    Args:
        study: Optuna's record.
        trials: that have ended.
        best: of these.
        path: the file, which is replaced.
        limits: what a model may cost.
        source: what the texts are, by name.

    Raises:
        OSError: the file cannot be written.
    """
    from textcnn.report.search_page import Row, write_search_page

    rows = [
        Row(
            number=trial.number,
            outcome=", ".join([trial.outcome, *(f"over the limit: {cost}" for cost in limits.broken_by(trial))]),
            score=None if trial.score is None else abs(trial.score),
            kept=best_of([trial], limits) is not None,
            epochs=trial.epochs,
            seconds=trial.seconds,
            megabytes=trial.megabytes,
            microseconds=trial.microseconds,
            settings=" ".join(flags_of(trial.keywords)),
        )
        for trial in trials
    ]
    write_search_page(
        path, rows, source=source, monitor=best.monitor, best=best.number, importances=importances_of(study)
    )
    return path


def importances_of(study: Study) -> list[tuple[str, float]] | int:
    """Return how much each setting matters for the score, the most first; with too few trials how many are needed."""
    from optuna.importance import get_param_importances
    from optuna.trial import TrialState

    if len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])) < COMPARED:
        return COMPARED
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a setting had one value, for instance
        found = get_param_importances(study)
    table = all_settings()
    named = []
    for name, share in found.items():
        arch, _, keyword = name.rpartition(".")
        named.append((f"{table[keyword].flag} ({arch})" if arch else table[keyword].flag, share))
    return named
