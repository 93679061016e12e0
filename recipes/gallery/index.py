"""``docs/gallery/README.md`` and ``docs/findings.md``, written of the facts that lie in the gallery."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from recipes.gallery.facts import Facts
from recipes.gallery.learnt import learnt
from recipes.gallery.pages import FACTS, PICTURE, GalleryError
from recipes.gallery.runs import RUNS, Run

from worldprobe.findings.sections.original import PUBLISHED, PUBLISHED_NOISE
from worldprobe.findings.wording import METRICS, NONE, count, number, property_name, with_interval
from worldprobe.intervals import Score

INDEX = "README.md"
_FOLDER = Path(__file__).parent
TEMPLATE = "findings.md.j2"


def read_gallery(gallery: Path, runs: Sequence[Run] = RUNS) -> dict[str, Facts]:
    """The facts of each run that the gallery has, in the order of the list of runs, by name."""
    return {
        run.name: json.loads((gallery / run.name / FACTS).read_text(encoding="utf-8"))
        for run in runs
        if (gallery / run.name / FACTS).exists()
    }


def write_index(gallery: Mapping[str, Facts], runs: Sequence[Run] = RUNS) -> str:
    """The index page: of each run a picture, what it asks, three sentences of what is learnt, and its pages."""
    parts = [
        "# Gallery",
        "Runs with their reports as pages. What is learnt of each is worked out from its own figures by the rules "
        "that its report prints; none of it is written by hand, and `make gallery` writes it anew. The "
        "[findings](../findings.md) set the same figures in the order of the experiment that it all began with.",
        "Pages of films hold tables and charts alone: frames of them are not this project's to give away. The "
        "same command on your machine writes the report with its pictures into `runs/gallery/`.",
    ]
    for run in runs:
        if run.name in gallery:
            parts += _entry(run, gallery[run.name])
    return "\n\n".join(parts) + "\n"


def _entry(run: Run, facts: Facts) -> list[str]:
    links = ", ".join(f"[{page.title}]({run.name}/{page.file})" for page in run.pages)
    left = "" if facts["frames"] else " (without frames)"
    return [
        f"## {run.title}",
        f"[![{run.alt}]({run.name}/{PICTURE})]({run.name}/{run.pages[0].file})",
        run.asks,
        "\n".join(f"- {_text(sentence)}" for sentence in learnt(facts["pages"])),
        f"Pages: {links}{left}. Made in about {count(run.minutes, 'minute')} on two cores by",
        f"```\nworldprobe {command(run)}\n```",
    ]


def command(run: Run, runs: str = "runs/gallery") -> str:
    """What is typed after ``worldprobe`` to make a run."""
    return " ".join(word.format(out=f"{runs}/{run.name}", runs=runs) for word in run.command)


def write_findings(gallery: Mapping[str, Facts]) -> str:
    """The findings page: every figure of a stored run, beside what was published.

    What was not run has no section. Raises GalleryError where the gallery lacks the rendered scenes, which most of
    it quotes.
    """
    if "scenes" not in gallery:
        raise GalleryError("docs/findings.md quotes scenes, which the gallery lacks: run `make gallery`")
    loader = FileSystemLoader(_FOLDER, encoding="utf-8")
    # Markdown, not HTML: names are escaped where they are put in.
    environment = Environment(
        loader=loader, undefined=StrictUndefined, autoescape=False, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    environment.filters |= {
        "text": _text,
        "plain": _plain,
        "number": number,
        "cell": _cell,
        "published": _published,
    }
    names = [run.name for run in RUNS]
    first = {name: next(iter(gallery[name]["pages"].values())) if name in gallery else None for name in names}
    said = {name: learnt(gallery[name]["pages"]) if name in gallery else [] for name in names}
    text = environment.get_template(TEMPLATE).render(
        **first, learnt=said, published=PUBLISHED,
        published_noise=PUBLISHED_NOISE, metrics=METRICS, name=property_name, none=NONE,
        step=_step,
    )  # fmt: skip
    text = "".join(f"{line.rstrip()}\n" for line in text.splitlines())
    text = re.sub(r"\n+(#+ )", r"\n\n\1", text)  # a heading after a table, whatever lies between in the template
    return re.sub(r"\n{3,}", "\n\n", text)


def _score(score: Mapping[str, Any] | None) -> Score:
    return Score(value=None) if score is None else Score(**score)


def _cell(score: Mapping[str, Any] | None, digits: int = 2) -> str:
    """``0.83 [0.79, 0.86]``."""
    return with_interval(_score(score), digits)


def _plain(score: Mapping[str, Any] | None, digits: int = 2) -> str:
    return number(_score(score).value, digits)


def _published(value: float) -> str:
    """A figure of the write-up, as many digits as it has there."""
    return number(value, 2 if round(value, 2) == value else 3)


def _step(fall: Facts, name: str) -> Facts | None:
    """A step of the waterfall by its name; None where the run has none of that name."""
    return next((one for one in fall["steps"] if one["name"] == name), None)


def _text(words: str) -> str:
    """Words as Markdown has them, in a table's cell too."""
    for sign in ("\\", "|", "*", "_", "<"):
        words = words.replace(sign, f"\\{sign}")
    return words
