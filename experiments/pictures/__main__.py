"""The README's pictures of pages: an explanation, and the page on a model.

    python -m experiments.pictures

A model of the sample corpus is trained with the defaults, and its pages are drawn by Chromium, which must be installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from experiments import shared

TEXTS = (
    "a waste of a good cast",
    "not bad at all, and the cast is clearly having a great time",
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SIZES = {"explanation": (780, 530), "report": (1100, 1500)}  # pixels


def main() -> None:
    """Make the pages, and draw them."""
    parser = shared.make_parser(__doc__ or "", Path(__file__).parent)
    arguments = shared.parse(parser)
    if arguments.show:
        return
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        parser.error(f"expected one of {', '.join(BROWSERS)}, found none")
    with tempfile.TemporaryDirectory(dir=arguments.work) as name:
        folder = Path(name).resolve()
        model, page = folder / "model", folder / "explanation.html"
        textcnn("train", "sample", "-o", str(model))
        textcnn("explain", *TEXTS, "-m", str(model), "--counterfactual", "-o", str(page))
        shutil.copy(model / "report.html", folder)
        for picture, size in SIZES.items():
            draw(browser, folder / f"{picture}.html", arguments.output.resolve() / f"{picture}.png", size)


def textcnn(*arguments: str) -> None:
    """Run the command line."""
    subprocess.run([sys.executable, "-m", "textcnn", *arguments], check=True, stdout=subprocess.DEVNULL)


def draw(browser: str, page: Path, picture: Path, size: tuple[int, int]) -> None:
    """Write the top of a page as a picture."""
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--window-size={size[0]},{size[1]}"]
    profile = f"--user-data-dir={page.parent / 'browser'}"
    command = [browser, *flags, profile, f"--screenshot={picture}", page.as_uri()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)


if __name__ == "__main__":
    main()
