"""The whole report of a run."""

from __future__ import annotations

from pathlib import Path

from worldprobe.findings.facts import Summary
from worldprobe.findings.summary import summarize
from worldprobe.io.files import StrPath, write_whole
from worldprobe.report.charts.blocks import layer_panels
from worldprobe.report.charts.decoding import calibration_panels, decoder_reconstructions, loss_panels
from worldprobe.report.charts.energy import energy_panels
from worldprobe.report.charts.futures import futures_panels
from worldprobe.report.charts.horizons import horizon_panels
from worldprobe.report.charts.learning import learning_panels
from worldprobe.report.charts.moments import labels_figure, moments_figure
from worldprobe.report.charts.original import draw_original
from worldprobe.report.charts.prediction import prediction_figures
from worldprobe.report.charts.readouts import readout_panels
from worldprobe.report.charts.scores import around_scores, beside_controls
from worldprobe.report.charts.surprise import surprise_figure
from worldprobe.report.drawing.png import draw
from worldprobe.report.forms.html import write_html
from worldprobe.report.forms.markdown import write_markdown

_BLOCKS = "bars and bands: 95 % intervals; dashed: a constant"
_LAWS = "bars: 95 % intervals; lines: ceiling less a power of n, fitted; dotted: twice the data"
_ENERGY = "bars: 95 % intervals, paired, groups resampled; dashed: the true action's"
_READ = "bars: 95 % intervals, groups resampled"
_HORIZONS = "bars: 95 % intervals, groups resampled; ▲ ▼ beyond the axis"


def write_report(run: StrPath) -> Summary:
    """Write ``report.html``, ``report.md``, ``report.json`` and the figures of the results' kinds.

    A run of the original protocol has that figure as it was published, and ``scaling.png`` and ``waterfall.png``.
    Each file is written whole. Raises WorldprobeError as ``summarize`` does, before anything is written.
    """
    run = Path(run)
    summary = summarize(run)
    figures, name, warning = run / "figures", summary.encoder.name, summary.warning
    if summary.original:
        draw_original(summary, summary.original, figures)
    elif summary.rows:
        texts = around_scores(summary)
        draw(beside_controls(summary), figures / "probe_summary.png", **texts, warning=warning)
    if summary.rows:
        title = f"{name}: where each property is decodable"
        draw(layer_panels(summary), figures / "layers.png", title=title, key=_BLOCKS, warning=warning)
        title = f"{name}: score by the data that the probe saw"
        draw(learning_panels(summary), figures / "learning.png", title=title, key=_LAWS, warning=warning)
    if summary.future:
        title = f"{summary.future.encoder}: the future by horizon"
        draw(horizon_panels(summary.future), figures / "horizon.png", title=title, key=_HORIZONS, warning=warning)
        prediction_figures(run)
        surprise_figure(run, summary.future, figures / "surprise.png")
    # Where a later prediction has none of it, the figure of an earlier one goes.
    panels = readout_panels(summary.readouts) if summary.readouts else []
    title = f"{name}: read from predicted futures"
    draw(panels, figures / "readouts.png", title=title, key=_READ, warning=warning)
    panels = futures_panels(summary.futures) if summary.futures else []
    draw(panels, figures / "futures.png", title=f"{name}: how sure predictions are", key="", warning=warning)
    panels = energy_panels(summary.energy) if summary.energy else []
    draw(panels, figures / "energy.png", title=f"{name}: energy of actions", key=_ENERGY, warning=warning)
    if summary.decoding:
        draw(loss_panels(summary.decoding), figures / "decoder_loss.png", title="Loss of each decoder", key="")
        panels, title = (
            calibration_panels(summary.decoding),
            "Errors of samples' means, and what samples say of them",
        )
        draw(panels, figures / "decoder_calibration.png", title=title, key="")
        title = f"{summary.decoding.tap}: held-out moments, drawn"
        decoder_reconstructions(run / "decoders", figures / "decoder_reconstructions.png", title=title)
    if summary.moments:
        moments_figure(run, summary.moments, figures / "moments.png")
        labels_figure(run, summary.moments, figures / "labels.png")
    write_whole(run / "report.json", summary.model_dump_json(indent=1).encode())
    write_markdown(run, summary)
    write_html(run, summary)
    return summary
