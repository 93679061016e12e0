"""What is damaged in a run's folder, or of a later version, is said in one sentence."""

from pathlib import Path

import pytest
from tests.builders.run_lines import probe_lines

from worldprobe.errors import WorldprobeError
from worldprobe.findings.summary import summarize
from worldprobe.results import write_results


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_results(tmp_path / "results.jsonl", probe_lines("xy", 0.8))
    return tmp_path


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("results.jsonl", "[" * 100_000, "it is nested too deeply"),
        ("results.jsonl", '{"kind": "cost", "later": 1}', "stage: Field required"),
        ("results.jsonl", "[1, 2]", "is not a result"),
        ("failures.jsonl", '{"video": ' + "[" * 100_000, "is not a failure record"),
    ],
)
def test_a_damaged_line_is_named_in_one_sentence(run: Path, name: str, line: str, reason: str) -> None:
    with (run / name).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(WorldprobeError, match=reason) as raised:
        summarize(run)
    assert "pydantic" not in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_a_line_of_a_later_version_is_counted_as_kept(run: Path) -> None:
    with (run / "results.jsonl").open("a") as file:
        file.write('{"kind": "later", "value": 1}\n')
    assert any(one.endswith("is kept and not shown.") for one in summarize(run).caveats)


def test_a_video_that_could_not_be_read_is_no_clip(run: Path) -> None:
    (run / "failures.jsonl").write_text('{"video": "a.mp4", "clip": null, "error": "broken"}\n')
    assert any(one.startswith("1 video failed and is in none of the figures; the first: a.mp4: broken")
               for one in summarize(run).caveats)  # fmt: skip
