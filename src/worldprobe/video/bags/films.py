"""A recording's cameras as films, each beside what was recorded of the robot at its frames' times."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.bags.between import rotations_at, values_at
from worldprobe.video.bags.messages import PICTURES, form_of, is_action, is_numbers, numbers_of, picture_of
from worldprobe.video.folder import content_of

_KNOWN = "recording.json"
_READ_AS = 2  # changes when the same recording is read as other numbers: what was kept is then made anew
_TICK = Fraction(1, 1000)  # of a second
_OTHER_CLOCK = 1.0  # seconds from the recorder's
_NANO = 1e-9
_AXES = "xyzw"

Floats = NDArray[np.float64]


def bag_films(bag: Path, folder: Path, *, tell: Callable[[str], None] = lambda _: None) -> list[Path]:
    """The films of a recording (MCAP of ROS 2), one for each topic of pictures, written once.

    Pictures are not compressed anew: ``TOPIC.mov`` holds their JPEG or PNG at their own times. Beside it,
    ``TOPIC.readings.parquet`` has a row a frame: columns ``frame``, ``pts_seconds``, and ``state.TOPIC.NAME`` and
    ``action.TOPIC.NAME`` of all that was recorded in numbers: states between two messages, actions as last sent.

    Args:
        bag: the file.
        folder: the films lie in a folder of it that is named by the file and its content.
        tell: is told what was left out, a sentence each.

    Raises:
        VideoError: no such file, not an MCAP recording of ROS 2, no pictures in it, or the reader is not installed.
    """
    if not bag.is_file():
        raise VideoError(f"mcap:{bag}: there is no such file. Give a recording of ROS 2, such as mcap:run.mcap.")
    content = content_of(bag)
    target = folder / f"{bag.stem}-{content[:12]}"
    known = target / _KNOWN
    if not known.exists() or json.loads(known.read_text()).get("read_as") != _READ_AS:
        partial = folder / f".{target.name}.{os.getpid()}.partial"
        partial.mkdir(parents=True, exist_ok=True)
        try:
            notes = _Recording(bag).write(partial)
            (partial / _KNOWN).write_text(json.dumps({"recording": content, "notes": notes, "read_as": _READ_AS}))
            shutil.rmtree(target, ignore_errors=True)
            os.replace(partial, target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    for note in json.loads(known.read_text())["notes"]:
        tell(f"{bag.name}: {note}")
    return sorted(target.glob("*.mov"))


def recording_of(film: Path) -> str | None:
    """What a recording is known by, whichever of its cameras filmed; None for any other film."""
    known = film.parent / _KNOWN
    return json.loads(known.read_text())["recording"] if film.suffix == ".mov" and known.is_file() else None


class _Recording:
    """A recording that is read in one pass, picture by picture."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.films: dict[str, _Film] = {}
        self.series: dict[tuple[str, str], tuple[list[float], list[float]]] = {}
        self.own_clock: dict[str, bool] = {}
        self.lost: Counter[str] = Counter()

    def write(self, target: Path) -> list[str]:
        """Write all films and readings, and return what was left out, a sentence each. Raises VideoError."""
        try:
            for topic, kind, logged, message in _messages(self.path):
                if kind in PICTURES:
                    self._picture(target, topic, self._time(topic, message, logged), picture_of(message))
                elif numbers := numbers_of(message) if is_numbers(kind) else {}:
                    time = self._time(topic, message, logged)
                    for name, value in numbers.items():
                        times, values = self.series.setdefault((topic, name), ([], []))
                        times.append(time)
                        values.append(value)
                else:
                    self.lost[f"{topic} holds {kind}, neither pictures nor a robot's numbers"] += 1
        finally:
            for film in self.films.values():
                film.container.close()
        if not self.films:
            raise VideoError(
                f"{self.path} holds no pictures in colour: {'; '.join(self.lost) or 'nothing at all'}. Record "
                "sensor_msgs/msg/CompressedImage (JPEG or PNG) or sensor_msgs/msg/Image."
            )
        for film in self.films.values():
            self._readings(film.path.with_suffix(".readings.parquet"), np.array(film.times))
        other = [topic for topic, own in self.own_clock.items() if not own]
        said = [f"{', '.join(other)}: stamped by another clock or by none; times are the recorder's."] * bool(other)
        return [f"{words}: {count} left out." for words, count in self.lost.items()] + said

    def _time(self, topic: str, message: Any, logged: float) -> float:
        """Seconds: a message's own stamp if the topic's first is by the recorder's clock, else the recorder's."""
        stamp = getattr(getattr(message, "header", None), "stamp", None)
        # Nanoseconds first: what was sent with a picture would else come a rounding error before or after it.
        seconds = (stamp.sec * 10**9 + stamp.nanosec) * _NANO if stamp else np.nan
        own = self.own_clock.setdefault(topic, bool(abs(seconds - logged) <= _OTHER_CLOCK))
        return seconds if own else logged

    def _picture(self, target: Path, topic: str, time: float, picture: bytes | str) -> None:
        if isinstance(picture, str):
            self.lost[f"{topic} {picture}"] += 1
            return
        film = self.films.get(topic)
        if film is None:
            name = re.sub(r"[^A-Za-z0-9]+", "-", topic).strip("-") or "camera"
            taken = {one.path.stem for one in self.films.values()}
            film = self.films[topic] = _Film(target / f"{name}{f'-{len(taken)}' * (name in taken)}.mov", picture)
        if not film.add(time, picture):
            self.lost[f"{topic} has pictures out of order, or of another size or format than its first"] += 1

    def _readings(self, path: Path, frames: Floats) -> None:
        import polars as pl

        columns: dict[str, Any] = {"frame": np.arange(len(frames)), "pts_seconds": frames - frames[0]}
        for (topic, name), (times, values) in self.series.items():
            found = values_at(frames, np.array(times), np.array(values), held=is_action(topic))
            columns[_column(topic, name)] = found
        for topic, name in self.series:
            if name == "w" or name.endswith(".w"):
                columns |= self._rotation(topic, name.removesuffix("w"), frames)
        pl.DataFrame(columns).write_parquet(path)

    def _rotation(self, topic: str, name: str, frames: Floats) -> dict[str, Floats]:
        """The columns of a state that is a quaternion; none of any other, whose numbers lie on lines."""
        found = [self.series.get((topic, f"{name}{axis}"), ([], [])) for axis in _AXES]
        if is_action(topic) or any(times != found[0][0] for times, _ in found):
            return {}
        turned = rotations_at(frames, np.array(found[0][0]), np.array([values for _, values in found]).T)
        if turned is None:
            return {}
        return {_column(topic, f"{name}{axis}"): turned[:, n] for n, axis in enumerate(_AXES)}


def _column(topic: str, name: str) -> str:
    """What a topic's number is called among the readings."""
    return f"{'action' if is_action(topic) else 'state'}.{topic.strip('/').replace('/', '.')}.{name}"


class _Film:
    """A topic's pictures as they are, in QuickTime, at their times from the first on."""

    def __init__(self, path: Path, picture: bytes) -> None:
        self.path, self.times = path, list[float]()
        self.form = form_of(picture)
        assert self.form is not None, "pictures of no form are left out before"
        codec, width, height = self.form
        self.container = av.open(f"file:{path}", "w", format="mov", options={"fflags": "+bitexact"})
        self.stream = self.container.add_mux_stream(codec, rate=30, width=width, height=height)

    def add(self, time: float, picture: bytes) -> bool:
        """Add a picture; False for one that does not come later, or has another size or format."""
        first, last = (self.times[0], self.times[-1]) if self.times else (time, time)
        tick = round((time - first) / _TICK)
        gap = tick - round((last - first) / _TICK)
        if form_of(picture) != self.form or (self.times and gap <= 0):
            return False
        packet = av.Packet(picture)
        packet.stream, packet.time_base = self.stream, _TICK
        packet.pts = packet.dts = tick
        packet.duration = max(gap, 1)  # the last picture stays as long as the one before it
        packet.is_keyframe = True
        self.container.mux_one(packet)
        self.times.append(time)
        return True


def _messages(path: Path) -> Iterator[tuple[str, str, float, Any]]:
    """Topic, type, the recorder's time in seconds, and the message."""
    try:
        from mcap.exceptions import McapError
        from mcap.reader import make_reader
        from mcap_ros2.decoder import DecoderFactory
    except ImportError as error:
        raise VideoError(
            "mcap: needs the readers mcap and mcap-ros2-support, which are not installed: "
            "pip install 'worldprobe[mcap]' (1 MB)"
        ) from error
    try:
        with path.open("rb") as file:
            reader = make_reader(file, decoder_factories=[DecoderFactory()])
            for schema, channel, message, decoded in reader.iter_decoded_messages():
                yield channel.topic, schema.name if schema else "", message.log_time * _NANO, decoded
    except (McapError, OSError, ValueError, EOFError) as error:
        raise VideoError(
            f"{path} cannot be read as a recording of ROS 2 ({str(error) or type(error).__name__}). One that was "
            "cut short is mended by `mcap recover`; recordings of other systems are not read."
        ) from error
