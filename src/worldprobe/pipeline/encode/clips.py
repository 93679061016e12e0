"""Which clips of a video are encoded, and where in the store they lie."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from worldprobe.encoders.load import twin_of
from worldprobe.encoders.network import network_of
from worldprobe.protocols import Encoder
from worldprobe.records import ClipSpec
from worldprobe.store import Input, Pool, Series, Store
from worldprobe.video.sample import clips, stills
from worldprobe.video.video import Video

# The clips of a video in the order in which the store keeps them, and the positions of those that are needed.
Sampler = Callable[[Video], tuple[Sequence[ClipSpec], Collection[int]]]


def evenly(encoder: Encoder, store: Store, frames: int, stride: int, input: Input) -> Sampler:
    """Clips end to end within each shot, or a still for each tubelet of them; all of them."""

    def sample(video: Video) -> tuple[Sequence[ClipSpec], Collection[int]]:
        if input == "still":
            specs = stills(video.ref, frames=frames, every=stride * encoder.tubelet, shots=shots_of(video, store))
        else:
            specs = clips(video.ref, frames=frames, stride=stride, shots=shots_of(video, store))
        return specs, range(len(specs))

    return sample


def shots_of(video: Video, store: Store) -> tuple[int, ...]:
    """What is stored of a video was cut so: what is added has to fit, wherever the store was made."""
    return store.shots(video.ref.id) or video.shots


def plan_series(
    video: Video, encoder: Encoder, store: Store, *, frames: int, stride: int, input: Input, pool: Pool
) -> Series:
    """The clips that ``encode`` would make of a video, and where they would lie in the store."""
    specs, _ = evenly(encoder, store, frames, stride, input)(video)
    return plan_sampled(video, specs, encoder, store, frames, input, pool)


def plan_sampled(
    video: Video,
    specs: Sequence[ClipSpec],
    encoder: Encoder,
    store: Store,
    frames: int,
    input: Input,
    pool: Pool,
) -> Series:
    """The series of these clips of a video."""
    # As whoever cut the clips knows the file: a worker may see it at another path.
    ref = specs[0].video if specs else video.ref
    return Series(
        video=ref,
        specs=tuple(specs),
        encoder=encoder.name,
        revision=encoder.revision,
        status=encoder.status,
        twin=twin_of(encoder),
        input=input,
        pool=pool,
        grid=encoder.grid(frames),
        view=encoder.view(ref.width, ref.height),
        shots=shots_of(video, store),
        origin=dict(getattr(encoder, "origin", {})),
        network=network_of(encoder, frames),
    )
