"""Train ``vjepa2-tiny``: ``python -m recipes.pretrain_tiny cpu --out runs/pretrain``. Run again to go on."""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import asdict
from pathlib import Path

import torch
from recipes.pretrain_tiny.curve import draw
from recipes.pretrain_tiny.export import export
from recipes.pretrain_tiny.settings import SETTINGS
from recipes.pretrain_tiny.train import Trainer

from worldprobe.io.files import write_whole


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m recipes.pretrain_tiny", description=__doc__)
    parser.add_argument("settings", choices=sorted(SETTINGS))
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, log, curve and model")
    parser.add_argument("--steps", type=int, help="stop at this step; the schedule stays that of the settings")
    parser.add_argument("--pool", type=Path, help="folder of rendered clips; by default --out")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    settings = SETTINGS[asked.settings]
    trainer = Trainer(settings, asked.out, device=asked.device, pool=asked.pool)
    trainer.run(until=asked.steps)
    draw(trainer.log, settings.hidden_size, asked.out / "curve.png")
    facts = {"settings": asdict(settings), "name": asked.settings, "device": _device(asked.device)}
    write_whole(asked.out / "training.json", json.dumps(facts, indent=1).encode())
    export(settings, asked.out, asked.out / "model")


def _device(device: str) -> str:
    if device.startswith("cuda"):
        return f"one {torch.cuda.get_device_name()}"
    threads = torch.get_num_threads()
    return f"{'one CPU core' if threads == 1 else f'{threads} CPU cores'} ({platform.machine()})"


if __name__ == "__main__":
    main()
