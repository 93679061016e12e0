"""`export`: a run's scores, tables, embeddings and clips in the forms that other tools read."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from worldprobe.cli.options import JsonOption, OnceCommand, app
from worldprobe.console import say
from worldprobe.errors import ConfigError, WorldprobeError
from worldprobe.printable import printable


@app.command(cls=OnceCommand)
def export(
    run: Annotated[Path, typer.Argument(help="A run's folder.")],
    hf: Annotated[
        bool, typer.Option("--hf", help="A model-index for a model card; printed, or put into the card --out.")
    ] = False,
    latex: Annotated[
        bool, typer.Option("--latex", help="The report's tables for a paper (booktabs); printed, or into --out.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="The report's tables, a file each, unrounded.")] = False,
    summary: Annotated[
        bool, typer.Option("--summary", help="The run on one sheet of paper, as HTML that a browser prints.")
    ] = False,
    embeddings: Annotated[str | None, typer.Option(help="parquet or safetensors.")] = None,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="A recording of the clips that the report shows (extra \\[rerun]).")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The file, --csv's folder; by default summary.html, clips.rrd, embeddings.FORM, tables in the run."
        ),
    ] = None,
    features: Annotated[str, typer.Option(help="Of embeddings: z, grid, or both by comma.")] = "z",
    each: Annotated[str, typer.Option(help="Of embeddings: what a row is, clip or tubelet.")] = "clip",
    store: Annotated[
        str | None, typer.Option(help="Of embeddings, where they are not in the run's folder.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Take a run elsewhere: a model card, tables and a page for a paper, embeddings in one file, clips for Rerun.

    Example: worldprobe export runs/demo --embeddings parquet --features z,grid
    """
    offered = {
        "--hf": hf, "--latex": latex, "--csv": csv, "--summary": summary, "--embeddings": embeddings,
        "--rerun": rerun,
    }  # fmt: skip
    chosen = [name for name, on in offered.items() if on]
    if len(chosen) != 1:
        raise ConfigError(
            f"export makes one thing at a time, and {' and '.join(chosen) or 'nothing'} was asked for: "
            "name one of --hf, --latex, --csv, --summary, --embeddings parquet, --embeddings safetensors, --rerun"
        )
    if hf:
        _hf(run, out, as_json)
    elif latex:
        _latex(run, out, as_json)
    elif csv:
        _csv(run, out or run / "tables", as_json)
    elif summary:
        _summary(run, out or run / "summary.html", as_json)
    elif embeddings:
        _embeddings(run, out, embeddings, features, each, store, as_json)
    else:
        from worldprobe.report.forms.rerun import write_rerun

        path = out or run / "clips.rrd"
        clips = len(write_rerun(run, path).clips)
        say({"clips": clips, "path": str(path)}, as_json, [f"{clips} clips: {path} (look: rerun {path})"])


def _hf(run: Path, out: Path | None, as_json: bool) -> None:
    from worldprobe.findings.summary import summarize
    from worldprobe.io.files import write_whole
    from worldprobe.report.forms.model_card import eval_results, model_card

    summary = summarize(run)
    if out is None and as_json:
        say([asdict(one) for one in eval_results(summary)], as_json, [])
        return
    if out is None:
        # Its indentation is part of it.
        typer.echo(printable(model_card(summary).rstrip("\n")))
        return
    try:
        known = out.read_text(encoding="utf-8") if out.exists() else ""
    except UnicodeDecodeError as error:
        raise WorldprobeError(
            f"{out} is no text in UTF-8 ({error}), so nothing is added to it. Name a new file."
        ) from error
    write_whole(out, model_card(summary, known).encode())
    results = len(eval_results(summary))
    say({"results": results, "path": str(out)}, as_json, [f"{results} evaluation results: {out}"])


def _latex(run: Path, out: Path | None, as_json: bool) -> None:
    from worldprobe.findings.summary import summarize
    from worldprobe.io.files import write_whole
    from worldprobe.report.forms.latex import PACKAGES, latex

    found = latex(summarize(run))
    text = "\n\n".join([PACKAGES, *found.values()])
    if out is None:
        if as_json:
            say(found, as_json, [])
        else:
            typer.echo(printable(text))
        return
    write_whole(out, f"{text}\n".encode())
    say({"tables": list(found), "path": str(out)}, as_json, [f"{len(found)} tables: {out}"])


def _csv(run: Path, out: Path, as_json: bool) -> None:
    from worldprobe.findings.summary import summarize
    from worldprobe.io.files import write_whole
    from worldprobe.report.forms.csv import csv_tables

    found = csv_tables(summarize(run))
    for name, text in found.items():
        write_whole(out / f"{name}.csv", text.encode())
    say({"tables": list(found), "path": str(out)}, as_json, [f"{len(found)} tables: {out}"])


def _summary(run: Path, out: Path, as_json: bool) -> None:
    from worldprobe.findings.summary import summarize
    from worldprobe.io.files import write_whole
    from worldprobe.report.forms.appendix import summary_page

    write_whole(out, summary_page(summarize(run)).encode())
    say({"path": str(out)}, as_json, [f"one page: {out} (print it from a browser, or save it as PDF there)"])


def _embeddings(
    run: Path, out: Path | None, form: str, features: str, each: str, store: str | None, as_json: bool
) -> None:
    from worldprobe.pipeline.export import export_embeddings
    from worldprobe.store import Store

    place = Store(store) if store else None
    path = out or run / f"embeddings.{form}"
    kinds = features.split(",")
    done = export_embeddings(run, path, form=form, features=kinds, each=each, store=place)  # type: ignore[arg-type]
    vectors = ", ".join(f"{name} [{width}]" for name, width in done.vectors.items())
    absent = f"; {done.missing} clips are not in the store" if done.missing else ""
    say(asdict(done), as_json, [f"{done.rows} rows, one a {each}, of {vectors}{absent}: {done.path}"])
