"""Films of robots in a folder, each beside its truth, rendered by several processes at a time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from worldprobe.errors import VideoError
from worldprobe.io.files import replacing
from worldprobe.video.rendered.processes import Progress, render_films
from worldprobe.video.rendered.robots.plan import CAMERAS, FRAMES, RATE, VERSION, Camera, plan_clip
from worldprobe.video.rendered.scenes import truth_path
from worldprobe.video.write import write_video

# A process takes seconds to begin: fewer films than these are drawn here.
_WORTH_PROCESSES = 8
_FORM = "robots:N or robots:N@SEED, such as robots:8@1, with ?camera=KIND or ?model=FILE.xml after it"


@dataclass(frozen=True, slots=True)
class RobotSource:
    """What ``robots:N[@SEED][?camera=KIND&model=FILE]`` names: ``count`` clips of a ``seed``, by one kind of camera
    or by all, of the arm that is built here or of an MJCF file's."""

    count: int
    seed: int = 0
    camera: Camera | None = None
    model: Path | None = None

    @classmethod
    def of(cls, source: str) -> RobotSource:
        """Read a source as it is written. Raises VideoError for what is none."""
        numbers, _, options = source.removeprefix("robots:").partition("?")
        count, at, seed = numbers.partition("@")
        if not _whole(count) or int(count) < 1 or (at and not _whole(seed)):
            raise VideoError(f"{source} is not a number of clips of robots. Write {_FORM}.")
        camera: Camera | None = None
        model: Path | None = None
        for option in filter(None, options.split("&")):
            name, _, value = option.partition("=")
            if name == "camera" and value in CAMERAS:
                camera = CAMERAS[CAMERAS.index(value)]
            elif name == "model" and value:
                model = Path(value).expanduser()
                if not model.is_file():
                    raise VideoError(f"{source}: there is no file {model}. Give an MJCF file (.xml) of an arm.")
            else:
                raise VideoError(
                    f"{source}: {option!r} is no option of robots. There are camera={'|'.join(CAMERAS)} and "
                    "model=FILE.xml, with & between them."
                )
        return cls(int(count), int(seed or 0), camera, model)

    @property
    def name(self) -> str:
        """The folder of its films: what else they depend on than their number."""
        parts = [f"v{VERSION}-seed{self.seed}"]
        if self.camera:
            parts.append(self.camera)
        if self.model:
            parts.append(hashlib.sha256(self.model.read_bytes()).hexdigest()[:16])
        return "-".join(parts)

    def paths(self, folder: Path) -> list[Path]:
        """Where ``render_robots`` puts its films."""
        return [folder / self.name / f"robot-{index:06d}.mp4" for index in range(self.count)]


def _whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


def render_robots(
    source: RobotSource, folder: Path, *, workers: int | None = None, progress: Progress = lambda *_: None
) -> list[Path]:
    """Render the clips of a source as H.264 files, each beside its truth; finished ones are kept.

    ``NAME.truth.parquet`` has a row a frame (docs/results.md lists its columns). The same source gives the same
    bytes of truth on the same machine, whatever is rendered first and by how many processes.

    Args:
        folder: its films are in a folder of it.
        workers: processes; as many as there are cores unless given.
        progress: called with what is done, how much of it, and of how much.

    Raises:
        VideoError: MuJoCo is not installed or cannot draw here; the model does not load, or has no gripper.
    """
    paths = source.paths(folder)
    absent = [(index, path) for index, path in enumerate(paths) if not path.exists()]
    if not absent:
        return paths
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    # The first is drawn here: what is wrong with the model or this machine is said once, and at once.
    _render(source, *absent[0])
    render_films(
        partial(_render, source),
        absent[1:],
        what="Rendering robots",
        worth=_WORTH_PROCESSES,
        workers=workers,
        progress=lambda what, done, of: progress(what, done + 1, of + 1),
    )
    return paths


def _render(source: RobotSource, index: int, path: Path) -> None:
    """Write the truth, then the video: a video that is there has its truth."""
    import polars as pl

    from worldprobe.video.rendered.robots.draw import mujoco_module
    from worldprobe.video.rendered.robots.truth import film_clip

    plan = plan_clip(source.seed, index, camera=source.camera)
    pictures, truth = film_clip(mujoco_module(), plan, source.model)
    seconds = [frame / RATE for frame in range(FRAMES)]
    table = pl.DataFrame({"frame": range(FRAMES), "pts_seconds": seconds, "object": [0] * FRAMES} | truth)
    with replacing(truth_path(path)) as temporary:
        table.write_parquet(temporary)
    write_video(path, pictures, rate=RATE)
