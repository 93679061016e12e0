"""The whole report of a run."""

from __future__ import annotations

from pathlib import Path

from worldprobe.report.decoding_plots import decoder_loss, decoder_reconstructions
from worldprobe.report.facts import Summary
from worldprobe.report.horizons import horizons
from worldprobe.report.html import write_html
from worldprobe.report.layers import layers
from worldprobe.report.learning import learning
from worldprobe.report.markdown import write_markdown
from worldprobe.report.plots import probe_summary
from worldprobe.report.summary import summarize
from worldprobe.report.waterfall import draw_original


def write_report(run: Path) -> Summary:
    """Write ``report.html``, ``report.md`` and the figures of the results' kinds into a run's folder.

    A run of the original protocol has that figure as it was published, and ``scaling.png`` and ``waterfall.png``.
    Each file is written whole. Raises WorldprobeError as ``summarize`` does, before anything is written.
    """
    summary = summarize(run)
    if summary.original:
        draw_original(summary, summary.original, run / "figures")
    elif summary.rows:
        probe_summary(summary, run / "figures" / "probe_summary.png")
    if summary.rows:
        layers(summary, run / "figures" / "layers.png")
        learning(summary, run / "figures" / "learning.png")
    if summary.future:
        horizons(summary.future, run / "figures" / "horizon.png")
    if summary.decoding:
        title = f"{summary.decoding.tap}: held-out moments, drawn"
        decoder_loss(run / "decoders", run / "figures" / "decoder_loss.png")
        decoder_reconstructions(run / "decoders", run / "figures" / "decoder_reconstructions.png", title=title)
    write_markdown(run, summary)
    write_html(run, summary)
    return summary
