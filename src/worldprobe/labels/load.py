"""Labellers by name, and those that read a file for each film."""

from __future__ import annotations

from pathlib import Path

from worldprobe.plugins import registry
from worldprobe.protocols import FrameSource, Labeller
from worldprobe.records import Labels

# What stands for a film in an argument: the path of its folder, its file name without ending, and with it.
_FIELDS = ("{folder}", "{stem}", "{name}")


def load_labeller(
    name: str, *, confidence: float | None = None, every: int | None = None, folder: Path | None = None
) -> Labeller:
    """The labeller of a name: a plug-in or ``module:Class``; of ``mot:{folder}/{stem}.txt`` one that takes for each
    film a file of its own.

    Args:
        confidence, every: for detectors: the least score, and that only every so many frames are looked at;
            None leaves the labeller's own.
        folder: the run's, for labellers whose library writes settings.

    Raises:
        RegistryError: there is none, or it takes no such option.
        LabelError: as it says of its argument: no such file, a model that it cannot run.
    """
    options = {key: value for key, value in {"confidence": confidence, "every": every}.items() if value is not None}
    if any(field in name for field in _FIELDS):
        plugin, _ = registry.check("labellers", name, **options)
        if of_one_video(plugin):
            return PerFilm(name)
    labeller: Labeller = registry.create("labellers", name, offered={"folder": folder}, **options)
    return labeller


class PerFilm:
    """A labeller of files whose argument names the film: each film gets the file of its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.one_video_only = True

    def of(self, film: Path) -> str:
        """The labeller's name for a film."""
        return filled(self.name, film)

    def label(self, video: FrameSource) -> Labels:
        """The film's own file's labels. Raises LabelError as that labeller does."""
        one: Labeller = registry.create("labellers", self.of(Path(video.ref.path)))
        return one.label(video)


def filled(pattern: str, film: Path) -> str:
    """A name or path in which ``{folder}``, ``{stem}`` and ``{name}`` stand for a film's."""
    for field, value in zip(_FIELDS, (str(film.parent), film.stem, film.name), strict=True):
        pattern = pattern.replace(field, value)
    return pattern


def of_one_video(labeller: object) -> bool:
    """Whether a labeller says that its file speaks of one film (an attribute ``one_video_only``)."""
    return getattr(labeller, "one_video_only", False) is True


def reads_files(labeller: object) -> bool:
    """Whether a labeller reads what lies somewhere instead of looking at frames (``reads_files``)."""
    return of_one_video(labeller) or getattr(labeller, "reads_files", False) is True
