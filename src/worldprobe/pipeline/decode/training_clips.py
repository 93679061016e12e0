"""What a trained decoder has seen: clips by their video, and moments of episodes whichever camera saw them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from worldprobe.errors import DecoderError, in_words
from worldprobe.io.files import write_whole
from worldprobe.records import ClipSpec
from worldprobe.store import Series

FILE = "trained_on.json"
_EPISODES = "episodes"  # no video's id: these are hexadecimal


@dataclass(frozen=True, slots=True)
class TrainingClips:
    """Clips that were trained or chosen on: first frames by video; from when to when (seconds) by episode."""

    clips: dict[str, list[int]] = field(default_factory=dict)
    episodes: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def has(self, spec: ClipSpec, *, episode: str = "", began: int = 0) -> bool:
        """Whether a clip shares frames with one that was trained on, or shows what another camera showed of it.

        Of a video that was never trained on, an episode that was is seen as a whole.

        Args:
            episode: what the clip's shot is known by, empty where no other video shows it.
            began: the shot's first frame.
        """
        span = spec.frames * spec.stride
        own = self.clips.get(spec.video.id, ())
        if any(abs(spec.start - start) < span for start in own):
            return True
        if episode not in self.episodes or not episode:
            return False
        begin, end = _seconds(spec, began)
        return not own or any(begin < until and since < end for since, until in self.episodes[episode])


def of_clips(clips: Iterable[tuple[Series, int]]) -> TrainingClips:
    """What whoever is trained on these clips (positions in their series) has seen."""
    seen = TrainingClips()
    for series, clip in clips:
        spec, (episode, began) = series.specs[clip], episode_of(series, clip)
        seen.clips.setdefault(spec.video.id, []).append(spec.start)
        if episode:
            seen.episodes.setdefault(episode, []).append(_seconds(spec, began))
    return seen


def episode_of(series: Series, clip: int) -> tuple[str, int]:
    """What a clip's shot is known by (empty where no other video shows it), and its first frame."""
    shot = int(series.shot[clip])
    names = series.video.episodes
    return (names[shot] if shot < len(names) else ""), series.shots[shot]


def write_training_clips(seen: TrainingClips, folder: Path) -> None:
    """Beside a decoder's weights."""
    episodes = {_EPISODES: seen.episodes} if seen.episodes else {}
    write_whole(folder / FILE, json.dumps({**seen.clips, **episodes}).encode())


def read_training_clips(folder: Path) -> TrainingClips | None:
    """What was written beside a decoder's weights; None where nothing was. Raises DecoderError: it is damaged."""
    path = folder / FILE
    try:
        written = json.loads(path.read_text(encoding="utf-8"))
        episodes = written.pop(_EPISODES, {})
        return TrainingClips(
            {str(video): [int(start) for start in starts] for video, starts in written.items()},
            {str(name): [(float(a), float(b)) for a, b in spans] for name, spans in episodes.items()},
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DecoderError(f"{path} is damaged: {in_words(error)}. Train the decoder again.") from error


def known_clips(folder: Path) -> TrainingClips:
    """What was written beside a decoder's weights. Raises DecoderError: nothing was, or it is damaged."""
    seen = read_training_clips(folder)
    if seen is None:
        raise DecoderError(
            f"{folder} does not say what its decoder was trained on ({FILE} is missing), so nobody knows "
            "what it has not seen. Take the whole folder of a trained decoder, or train one."
        )
    return seen


def _seconds(spec: ClipSpec, began: int) -> tuple[float, float]:
    """From when to when a clip lasts in its shot."""
    begin = (spec.start - began) / spec.video.rate
    return begin, begin + spec.frames * spec.stride / spec.video.rate
