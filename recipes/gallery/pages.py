"""A run becomes pages of the gallery: reports written anew, a small picture, and the facts that others quote."""

from __future__ import annotations

import base64
import html
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from recipes.gallery.facts import Facts, of_comparison, of_report, of_watch
from recipes.gallery.runs import Page, Run

from worldprobe.findings.comparison import Comparison
from worldprobe.findings.watched import Checkpoint, Watched, watched
from worldprobe.io.files import write_whole
from worldprobe.pipeline.compare import compare
from worldprobe.report.forms.comparison import comparison_html, write_comparison
from worldprobe.report.forms.watched import watched_html, write_watched
from worldprobe.report.write import write_report

ROOT = Path(__file__).resolve().parents[2]
FACTS, PICTURE = "facts.json", "picture.png"
PAGE_BYTES, PICTURE_BYTES, FOLDER_BYTES = 1_500_000, 90_000, 8_000_000
# What shows frames of the videos: without these folders a report is tables and charts.
_FRAMES = ("moments", "surprise", "predictions", "decoders")
_FIGURES = "figures"  # drawn anew of what is left
_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]{40000,})")
_WIDTH, _COLOURS = 640, (256, 64, 16)


class GalleryError(RuntimeError):
    """The gallery cannot be written as it should be; nothing of the run in question was changed."""


def data_folder() -> Path:
    """The folder of films and a detector that examples read: WORLDPROBE_DATA, else their default."""
    return Path(os.environ.get("WORLDPROBE_DATA", ROOT.parent / "shared" / "data"))


def export(run: Run, runs: Path, gallery: Path) -> Path:
    """Write a run's pages, picture and facts into the gallery, in place of what is there of it.

    A report that is larger than ``PAGE_BYTES`` is written without frames; if it is larger still, nothing is.

    Args:
        runs: the folder of all runs. gallery: that of all pages.

    Returns:
        The run's folder in the gallery.

    Raises:
        GalleryError: a page is too large, or would name a folder of this machine.
    """
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / run.name
        _copy(runs / run.name, copy, frames=not run.films)
        places = {str(copy): f"runs/gallery/{run.name}", str(runs): "runs/gallery"}
        written: dict[str, str] = {}
        facts: dict[str, Facts] = {}
        bare = run.films
        for page in run.pages:
            text, facts[page.file] = _page(page, copy)
            if len(text.encode()) > PAGE_BYTES and page.form == "report":
                bare = True
                _without_frames(copy / page.folder)
                text, facts[page.file] = _page(page, copy)
            written[page.file] = _anonymous(text, places, f"{run.name}/{page.file}")
            if (size := len(written[page.file].encode())) > PAGE_BYTES:
                raise GalleryError(
                    f"{run.name}/{page.file} has {size:,} bytes without any frames, {PAGE_BYTES:,} are the most. "
                    f"Ask fewer tasks or encoders in {run.file or 'its command'}, or take the page from its list."
                )
        kept = {"frames": not bare, "pages": facts}
        told = _anonymous(json.dumps(kept, indent=1, ensure_ascii=False), places, f"{run.name}/{FACTS}")
        small = _small(copy / run.picture)
    folder = gallery / run.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in written.items():
        write_whole(folder / name, text.encode())
    write_whole(folder / PICTURE, small)
    write_whole(folder / FACTS, (told + "\n").encode())
    return folder


def check_sizes(gallery: Path) -> int:
    """Add up the bytes of the gallery. Raises GalleryError, naming the largest, where it holds too many."""
    sizes = {path: path.stat().st_size for path in gallery.rglob("*") if path.is_file()}
    if (whole := sum(sizes.values())) > FOLDER_BYTES:
        largest = sorted(sizes, key=lambda path: -sizes[path])[:5]
        named = ", ".join(f"{path.relative_to(gallery)} {sizes[path]:,}" for path in largest)
        raise GalleryError(
            f"{gallery} holds {whole:,} bytes, {FOLDER_BYTES:,} are the most; the largest: {named}. Take a "
            "page from the list of runs (recipes/gallery/runs.py), or frames from it (films=True)."
        )
    return whole


def _copy(run: Path, copy: Path, *, frames: bool) -> None:
    """What reports are written of: no embeddings, no models, and no frames where none may be seen."""
    left = (_FIGURES, "*.zarr", "*.parts", "*.lock", "model.safetensors", *(() if frames else _FRAMES))
    shutil.copytree(run, copy, ignore=shutil.ignore_patterns(*left))
    # Before anything is drawn: names stand in pictures too.
    for path in copy.rglob("*"):
        if path.suffix in (".json", ".jsonl", ".toml"):
            path.write_text(_of_data(path.read_text(encoding="utf-8")), encoding="utf-8")


def _without_frames(folder: Path) -> None:
    for name in (*_FRAMES, _FIGURES):
        shutil.rmtree(folder / name, ignore_errors=True)


def _page(page: Page, copy: Path) -> tuple[str, Facts]:
    folder = copy / page.folder
    if page.form == "comparison":
        comparison = _compared(folder)
        write_comparison(folder, comparison)
        return comparison_html(comparison), of_comparison(comparison)
    if page.form == "watch":
        found = read_watch(folder)
        write_watched(folder, found)
        return watched_html(found), of_watch(found)
    summary = write_report(folder)
    return _light((folder / "report.html").read_text(encoding="utf-8")), of_report(summary)


def _light(page: str) -> str:
    """A page with its large pictures as WebP: a tenth of the bytes of what the report holds to the bit."""

    def smaller(found: re.Match[str]) -> str:
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
            picture.convert("RGBA").save(buffer, format="webp", quality=85, method=4)
        return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"

    return _PNG.sub(smaller, page)


def _compared(folder: Path) -> Comparison:
    """Compare the runs again, in the order of the comparison that is there."""
    names = [run["name"] for run in json.loads((folder / "compare.json").read_text())["runs"]]
    return compare([folder / name for name in names])


def read_watch(folder: Path) -> Watched:
    """What a watch has measured, from its folder alone."""
    lines = [Checkpoint.model_validate_json(line) for line in (folder / "watch.jsonl").read_text().splitlines()]
    settings = json.loads((folder / "watch.json").read_text())
    twin = next((line for line in lines if line.kind == "twin"), None)
    checkpoints = [line for line in lines if line.kind != "twin"]
    return watched("checkpoints", settings.get("split", ""), twin, checkpoints, ())


def _of_data(text: str) -> str:
    """Files of the data by the variable that names their folder."""
    for path in sorted({str(data_folder()), str(data_folder().resolve())}, key=len, reverse=True):
        text = text.replace(path, "${WORLDPROBE_DATA}")
    return text


def _anonymous(text: str, places: dict[str, str], what: str) -> str:
    """Folders of this machine by the names that they have in the docs. Raises GalleryError where one is left."""
    text = _of_data(text)  # tables of answers name encoders as well
    for path in sorted(places, key=len, reverse=True):
        for form in {path, html.escape(path)}:
            text = text.replace(form, places[path])
    for folder in _private():
        if f"{folder}/" in text:
            at = text.index(f"{folder}/")
            raise GalleryError(
                f"{what} would name a folder of this machine: ...{text[max(at - 60, 0) : at + 80]}..."
            )
    return text


def _private() -> Sequence[str]:
    return [str(ROOT), str(ROOT.parent), str(data_folder().resolve()), str(Path.home()), tempfile.gettempdir()]


def _small(path: Path) -> bytes:
    """A picture narrow enough for an index, in few colours."""
    with Image.open(path) as whole:
        picture = whole.convert("RGB")
    if picture.width > _WIDTH:
        picture = picture.resize((_WIDTH, round(picture.height * _WIDTH / picture.width)), Image.Resampling.LANCZOS)
    for colours in _COLOURS:  # frames of videos take more bytes than charts do
        buffer = io.BytesIO()
        picture.quantize(colours, kmeans=2).save(buffer, format="png", optimize=True)
        if buffer.tell() <= PICTURE_BYTES:
            break
    return buffer.getvalue()
