"""``report.html``: one self-contained page, drawn from the facts."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from worldprobe.controls import CONTROLS
from worldprobe.findings import answer, deltas, original, quoted, verdicts, wording
from worldprobe.findings import prediction as forecasts
from worldprobe.findings.facts import Summary
from worldprobe.findings.made import flatten
from worldprobe.io.files import write_whole
from worldprobe.printable import printable
from worldprobe.report.charts import blocks as layers
from worldprobe.report.charts import decoding as decoding_plots
from worldprobe.report.charts import horizons, learning, scaling, surprise
from worldprobe.report.drawing import dots as charts
from worldprobe.report.drawing import strips, svg
from worldprobe.report.drawing.panels import Panel
from worldprobe.report.forms import moments as moment_view
from worldprobe.report.tables import evidence_text
from worldprobe.report.tables import original as original_text

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

GLYPHS = {"above": "●", "above-run": "●", "not-shown": "◐", "below": "▽", "no-evidence": "○"}


# Charts are drawn in the page itself; what holds pictures is a picture.
PICTURES = ("error_map", "prediction_comparison", "violations", "decoder_reconstructions")


def write_html(run: Path, summary: Summary) -> None:
    """Write ``report.html`` into the run's folder. It loads nothing: styles, charts and script are inside."""
    moments = moment_view.page(run, summary.moments) if summary.moments else []
    labelled = moment_view.previews(run, summary.moments) if summary.moments else []
    peaks = surprise.peak_pictures(run, summary.future) if summary.future else []
    seen = [[(moment_view.inlined(path), said) for path, said in one] for one in peaks]
    page = render(
        summary, figures=pictures(run), moments=moments, labelled=labelled, peaks=seen, glimpse=_glimpse(run)
    )
    write_whole(run / "report.html", printable(page).encode())


def pictures(run: Path) -> dict[str, str]:
    """The run's figures that show pictures, as addresses that hold them whole."""
    paths = [run / "figures" / f"{name}.png" for name in PICTURES]
    return {path.stem: moment_view.inlined(path) for path in paths if path.exists()}


def _glimpse(run: Path) -> tuple[str, str] | None:
    """Real frames above those that the first decoder drew, as an address that holds them, and its name."""
    found = decoding_plots.glimpse(run / "decoders")
    if found is None:
        return None
    name, pixels = found
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="WEBP", quality=85)
    return name, moment_view.address(buffer.getvalue(), ".webp")


def template(name: str, **filters: Callable[..., Any]) -> Template:
    """A page's template: every name comes out escaped; figures are written as in every other form of the report."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("worldprobe.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        signed=wording.signed,
        interval=wording.interval,
        count=wording.count,
        property=wording.property_name,
        **filters,
    )
    return environment.get_template(name)


def render(
    summary: Summary,
    *,
    figures: dict[str, str] | None = None,
    moments: Sequence[dict[str, Any]] = (),
    labelled: Sequence[dict[str, Any]] = (),
    peaks: Sequence[Sequence[tuple[str, str]]] = (),
    glimpse: tuple[str, str] | None = None,
) -> str:
    """The page as text; every name from the run comes out escaped."""
    page = template(
        "report.html.j2", size=wording.size, duration=wording.duration, shortest="{:g}".format, coded=_coded
    )
    worth = bool(summary.evidence and summary.evidence.rows)
    drawn = _charts(summary)
    where = bool(drawn["heat"] or (summary.evidence and summary.evidence.taps))
    return page.render(
        summary=summary,
        contents=_contents(summary, where=where, worth=worth),
        where=where,
        worth=worth,
        glimpse=glimpse,
        strips=[strips.strip(one) for one in summary.answers],
        quoted_rule=quoted.RULE,
        leak_sentence=verdicts.leak_sentence(summary.rows),
        headline=answer.headline(summary.answers),
        provenance=list(flatten(summary.provenance)),
        remade=_remade(summary),
        figures=figures or {},
        moments=list(moments),
        labelled=list(labelled),
        peaks=list(peaks),
        **drawn,
        **_words(),
    )


def _charts(summary: Summary) -> dict[str, Any]:
    """Everything that the page draws, in px."""
    future, decoding = summary.future, summary.decoding
    return {
        "panels": charts.beside_controls(summary),
        "leak_panels": charts.leaks(summary),
        "by_block": _plots(layers.layer_panels(summary)),
        "heat": layers.heat_map(summary),
        "by_data": _plots(learning.learning_panels(summary)),
        "by_horizon": _plots(horizons.horizon_panels(future) if future else []),
        "by_step": _plots(decoding_plots.loss_panels(decoding) if decoding else []),
        "over_time": _plots(surprise.surprise_panels(future) if future else [], width=svg.LONG),
    }


def _words() -> dict[str, Any]:
    """How things are called, the same in every report."""
    return {
        "controls": CONTROLS,
        "glyphs": GLYPHS,
        "grades": wording.GRADES,
        "metrics": wording.METRICS,
        "features": wording.FEATURES,
        "splits": wording.SPLITS,
        "camera": wording.CAMERA,
        "captions": wording.CAPTIONS,
        "decoder_captions": wording.DECODER_CAPTIONS,
        "calls": wording.CALLS,
        "baselines": list(forecasts.BASELINES),
        "drawn": wording.DRAWN,
        "measures": wording.MEASURES,
        "places": deltas.PLACES,
        "worth_heads": evidence_text.WORTH_HEADS,
        "worth_cells": evidence_text.worth_cells,
        "worth_note": evidence_text.WORTH_NOTE,
        "tap_sentence": evidence_text.tap_sentence,
        "taps_note": evidence_text.TAPS_NOTE,
    }


def _contents(summary: Summary, *, where: bool, worth: bool) -> list[tuple[str, str]]:
    """The sections that the page has: where each begins, and how it is called there."""
    rows, labels = bool(summary.rows), summary.labels is not None
    remade = summary.original
    every = [
        ("answer", "Answer", True), ("uses", "Uses", bool(summary.use_cases)),
        ("moments", "Moments", summary.moments is not None), ("original", "Original", remade is not None),
        ("waterfall", "Waterfall", remade is not None), ("table", "Scores and controls", rows),
        ("leak", "Leak", rows), ("where", "By block", where), ("deltas", "Deltas", summary.deltas is not None),
        ("scaling", "Scaling", bool(remade and remade.scaling)), ("worth", "Worth", worth),
        ("future", "Prediction", summary.future is not None), ("decoding", "Decoder", summary.decoding is not None),
        ("labels", "Labels", labels), ("cost", "Cost", bool(summary.costs)), ("made", "How it was made", True),
        ("caveats", "Caveats", True), ("read", "How to read this", rows),
    ]  # fmt: skip
    return [(place, name) for place, name, there in every if there]


def _plots(panels: Sequence[Panel], *, width: int = svg.WIDTH) -> dict[str, Any]:
    """Charts in px, and the key to all of them."""
    return {"drawings": [svg.drawing(panel, width=width) for panel in panels], "keys": svg.keys(panels)}


def _coded(text: str) -> Markup:
    """Text whose parts between backticks are set as code."""
    from markupsafe import Markup, escape

    parts = str(escape(text)).split("`")
    return Markup("".join(f"<code>{part}</code>" if odd % 2 else part for odd, part in enumerate(parts)))


def _remade(summary: Summary) -> dict[str, Any] | None:
    """What the section on the original experiment draws on; None where it was not made again."""
    if summary.original is None:
        return None
    return {
        "facts": summary.original,
        "labelled": original_text.labelled(summary.original),
        "panels": charts.falls(summary.original),
        "scaling": _plots(scaling.scaling_panels(summary.original)),
        "head": original_text.head,
        "step": original.step_name,
        "texts": original.STEP_TEXTS,
        "difference": original_text.difference,
        "constant": original_text.constant,
        "published_number": original_text.published_number,
        "published": original.PUBLISHED,
        "published_by": original.PUBLISHED_BY,
        "sizes": sorted({row.n for row in summary.original.scaling}),
    }
