import re

import pytest

from textcnn.report.search_page import Row, write_search_page


def row(number, score, *, kept=True, outcome="finished"):
    cost = {"megabytes": 2.5, "microseconds": 40.0} if kept else {"megabytes": None, "microseconds": None}
    return Row(
        number=number, outcome=outcome, score=score, kept=kept, epochs=3, seconds=1.5, settings="--dropout 0.3", **cost
    )


ROWS = [row(1, 0.7), row(2, 0.8), row(4, 0.75, kept=False, outcome="stopped early"), row(5, None, kept=False)]


def written(folder, rows=ROWS, **keywords):
    about = {"source": "<b>mine</b>", "monitor": "accuracy", "best": 2, "importances": 10} | keywords
    write_search_page(folder / "tune.html", rows, **about)
    return (folder / "tune.html").read_text(encoding="utf-8")


def test_the_page_is_self_contained_and_shows_every_trial(tmp_path):
    page = written(tmp_path)
    assert "<script" not in page
    assert not re.search(r"""(src|href)=["'](?!#)""", page)
    assert "@media (prefers-color-scheme:dark)" in page
    assert "&lt;b&gt;mine" in page
    assert "Trial 2 of 4 is the best: validation accuracy <b>0.8000</b>; the first trial 0.7000" in page
    assert page.count("--dropout 0.3") == 4
    assert "stopped early" in page
    assert "Too few trials to tell: 2 finished, and at least 10 are needed" in page
    assert page.count("<svg") == 1


def test_importances_are_bars(tmp_path):
    page = written(tmp_path, importances=[("--learning-rate", 0.75), ("--region-sizes (kim)", 0.25)])
    assert re.search(r"--learning-rate</span>.*width:75\.0%.*<span>75%", page)
    assert "Too few trials" not in page


@pytest.mark.parametrize("monitor", ["loss", "macro_f1"])
def test_a_score_by_its_name(tmp_path, monitor):
    page = written(tmp_path, [row(1, 0.7)], monitor=monitor, best=1)
    assert {"loss": "validation loss", "macro_f1": "validation macro-F1"}[monitor] in page
    assert "the first trial" not in page
