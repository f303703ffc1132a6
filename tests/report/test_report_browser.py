"""The page in a headless Chromium, where one is installed.

The page is put in a frame of the width to test, and a probe beside it measures what the browser made of it.
"""

import html
import json
import os
import re
import shutil
import subprocess

import numpy as np
import pytest

from textcnn import TextCNNClassifier
from textcnn.data.labelled import Labelled
from textcnn.explain.html import page as explanations_page
from textcnn.report.figures import gather
from textcnn.report.page import page
from textcnn.text.columns import as_column

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
FLAGS = [
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=4000",
    "--dump-dom",
]

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed here")

PROBE = """<!doctype html><meta charset="utf-8"><title>probe</title>
<iframe id="frame" style="width:{width}px;height:900px;border:0" srcdoc="{content}"></iframe>
<pre id="found"></pre>
<script>
const frame = document.getElementById("frame");
frame.onload = () => {{
  const inner = frame.contentWindow, page = frame.contentDocument;
  const room = page.documentElement.clientWidth;  // without the scrollbar
  const wide = [...page.querySelectorAll("body *")].filter(e =>
    !e.closest(".scroll") && !e.closest("svg") && !e.classList.contains("skip") &&
    e.getBoundingClientRect().right > room + 0.5);
  document.getElementById("found").textContent = JSON.stringify({{
    width: inner.innerWidth,
    overflow: page.documentElement.scrollWidth - room,
    wide: wide.slice(0, 5).map(e => e.outerHTML.slice(0, 80)),
    dark: inner.matchMedia("(prefers-color-scheme: dark)").matches,
    ink: inner.getComputedStyle(page.body).color,
    paper: inner.getComputedStyle(page.body).backgroundColor,
    requests: inner.performance.getEntriesByType("resource").length,
    errors: inner.page_errors,
    bars: [...page.querySelectorAll(".bar")].map(e => e.getBoundingClientRect().width),
    broken: [...page.querySelectorAll("td.n, td.cell")].filter(e => {{
      const range = page.createRange();
      range.selectNodeContents(e);
      return new Set([...range.getClientRects()].map(r => r.top)).size > 1;
    }}).map(e => e.textContent),
    phrases: Math.min(...[...page.querySelectorAll("dd")].map(e => e.getBoundingClientRect().width)),
    svgs: [...page.querySelectorAll("figure svg")].map(e => e.getBoundingClientRect().height),
  }});
}};
</script>"""
WATCH = (
    "<script>page_errors=[];addEventListener('error',e=>page_errors.push(String(e.message||e.target)),true)</script>"
)


def labelled(texts, labels):
    return Labelled(as_column(texts), np.asarray(labels))


def probe(content, folder, width, *, dark):
    """Return what the browser makes of a page."""
    content = content.replace("<head>", f"<head>{WATCH}", 1)
    path = folder / "probe.html"
    path.write_text(PROBE.format(width=width, content=html.escape(content)), encoding="utf-8")
    flags = [*FLAGS, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
    if dark:
        flags.append("--blink-settings=preferredColorScheme=0")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        flags.append("--no-sandbox")
    ended = subprocess.run([BROWSER, *flags, path.as_uri()], capture_output=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.*?)</pre>', ended.stdout.decode("utf-8", "replace"), re.DOTALL)
    return json.loads(html.unescape(found[1]))


@pytest.fixture(scope="module")
def pages():
    """A page with long words and names, and one of explanations."""
    generator = np.random.default_rng(0)
    y = generator.integers(0, 6, 150)
    words = [f"word{i}" for i in range(20)] + ["x" * 90, "עולם", "<b>"]
    texts = [" ".join([*generator.choice(words, generator.integers(0, 60)), f"mark{k}"]) for k in y]
    names = np.array([f"a class with a rather long name {k}" for k in range(6)])
    model = TextCNNClassifier(dimension=8, feature_maps=4, max_epochs=3, learning_rate=0.01).fit(texts, names[y])
    data = labelled(texts, y)
    figures = gather(model.model_, data, data, source="a/rather/long/path/of/texts.csv", split="test")
    explanations = model.model_.explain(texts[:5])
    return {
        "report": page(figures, model.model_.artifact),
        "explanations": explanations_page([explanation.to_html() for explanation in explanations]),
    }


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("name", ["report", "explanations"])
def test_a_page_in_a_browser(pages, name, width, dark, tmp_path):
    found = probe(pages[name], tmp_path, width, dark=dark)
    assert found["width"] == width
    assert (found["overflow"], found["wide"]) == (0, [])
    assert (found["requests"], found["errors"]) == (0, [])
    assert found["dark"] == dark
    ink, paper = (sum(map(int, re.findall(r"\d+", found[key])[:3])) for key in ("ink", "paper"))
    assert (ink > 500, paper < 150) == (dark, dark)
    assert all(width >= 200 for width in found["bars"])
    assert found["broken"] == []
    assert found["phrases"] >= 250  # of the lists below a text
    assert all(height > 100 for height in found["svgs"])
    assert len(found["svgs"]) == (5 if name == "report" else 0)
