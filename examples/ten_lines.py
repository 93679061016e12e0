"""Probe rendered scenes with exact truth, in ten lines of Python: python examples/ten_lines.py [SCENES]"""

import sys
from pathlib import Path

from worldprobe.config import make_experiment
from worldprobe.console import resolve_videos
from worldprobe.pipeline.run import run
from worldprobe.report.write import write_report

videos = [f"scenes:{sys.argv[1] if len(sys.argv) > 1 else 60}"]
experiment = make_experiment({"videos": videos, "labeller": "truth", "tasks": ["xy", "size"], "evidence": []})
run(experiment, resolve_videos(videos), Path("runs/ten-lines"))
for row in write_report(Path("runs/ten-lines")).rows:
    print(row.task, row.features, row.main.score, row.main.verdict.text)
