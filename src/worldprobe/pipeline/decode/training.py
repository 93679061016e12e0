"""Decoders trained on embeddings, and scored on groups that none of them saw, beside every control."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from worldprobe.config import Decode
from worldprobe.decoders.pairs import Averaged, StoredPairs
from worldprobe.encoders.load import control_encoders
from worldprobe.errors import DecoderError, ProbeError
from worldprobe.execute.devices import device_for
from worldprobe.execute.threads import torch_lanes, torch_side_by_side
from worldprobe.io.files import write_whole
from worldprobe.pipeline.decode.best_blocks import Summed
from worldprobe.pipeline.decode.rows import Rows, lay_out, mismatched
from worldprobe.pipeline.decode.training_clips import (
    TrainingClips,
    episode_of,
    known_clips,
    of_clips,
    write_training_clips,
)
from worldprobe.pipeline.ledger import Ledger
from worldprobe.pipeline.progress import Progress
from worldprobe.pipeline.sources import spread
from worldprobe.pipeline.stored import unpooled, whole_clips
from worldprobe.plugins import registry
from worldprobe.probes.splits import SplitKind
from worldprobe.records import DecoderShape, blocks_name
from worldprobe.results import DecodingBaseline
from worldprobe.store import Series, Store

if TYPE_CHECKING:
    from worldprobe.decoders.trained import TrainedDecoder
    from worldprobe.decoders.training import Losses

FOLDER = "decoders"
TokenPairs: TypeAlias = StoredPairs | Averaged | Summed
"""Whence a decoder's tokens come."""
LOSSES = "losses.jsonl"
_STEPS = 2000


@dataclass(frozen=True, slots=True)
class DecodingPlan:
    """What to decode, and how."""

    encoder: str
    decode: Decode
    split: SplitKind = "grouped"
    seed: int = 0
    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    weights: Path | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ScoredDecoder:
    """A trained decoder, the tokens that it reads, and what its scores are called.

    ``rows`` are those to score; ``n_train`` pairs were trained on.
    """

    name: str
    decoder: TrainedDecoder
    source: TokenPairs
    rows: tuple[int, ...]
    n_train: int
    encoder: str
    tap: str
    baseline: DecodingBaseline = "none"
    protocol: str = "sound"
    change: str = ""


@dataclass(slots=True, eq=False)
class Workshop:
    """Where decoders of a run are trained: its rows, its folder, and what it has cost so far.

    ``series`` are those that are decoded, of ``every`` one of the run's, of which so many as ``usable`` have clips.
    """

    store: Store
    series: Sequence[Series]
    rows: Rows
    plan: DecodingPlan
    out: Path
    ledger: Ledger
    progress: Progress
    losses: dict[str, tuple[Losses, ...]] = field(default_factory=dict)
    every: Sequence[Series] = ()
    usable: int = 0

    @property
    def device(self) -> str:
        return device_for(self.plan.device)

    def train(
        self,
        decoder: str,
        name: str,
        source: TokenPairs,
        *,
        encoder: str,
        norm: bool,
        training: Sequence[int] | None = None,
        module: Any = None,
        beside: int = 1,
        **named: Any,
    ) -> ScoredDecoder:
        """Train a decoder under a name of its own, or take it as it is where that has been done.

        Args:
            module: with its first weights, where these were drawn before.
            beside: how many are trained at a time: each is booked its share of the seconds.
        """
        from worldprobe.decoders import trained
        from worldprobe.decoders.training import key_of, train

        rows = list(self.rows.training if training is None else training)
        module = self.fresh(decoder, source, norm) if module is None else module
        recipe = recipe_of(self.plan, module, self.device)
        folder = self.out / FOLDER / name
        key = key_of(module, source, rows, recipe)
        tap = f"{encoder}/{blocks_name(source.blocks)}.out"
        if self._kept(folder) == key:
            done = trained.load(folder, device=self.device)
        else:
            stage = f"train {name}"
            course = train(
                module,
                source,
                training=rows,
                validation=self.rows.validation,
                recipe=recipe,
                checkpoint=folder / "checkpoint.safetensors",
                progress=self.progress,
                stage=stage,
                device=self.device,
            )
            began = time.perf_counter() - course.seconds / beside
            items, each = course.steps * recipe.batch, self.ledger.expected.get(stage)
            self.ledger.book(stage, started=began, items=items, device=self.device, each=each)
            write_whole(folder / LOSSES, "".join(json.dumps(asdict(one)) + "\n" for one in course.losses).encode())
            clips = (self.rows.pairs.clips[row] for row in (*rows, *self.rows.validation))
            write_training_clips(of_clips((self.series[number], clip) for number, clip in clips), folder)
            facts = {"encoder": encoder, "tap": tap, "key": key, "seed": recipe.seed, "steps": course.steps}
            facts |= {"best_step": course.best_step, "stopped_early": course.stopped_early}
            facts |= {"seconds": round(course.seconds, 1), "pairs": len(rows) * source.per_row, "clips": len(rows)}
            facts |= {"recipe": asdict(recipe), "validation_loss": min(one.validation for one in course.losses)}
            trained.save(module, folder, facts)
            done = trained.TrainedDecoder(module, facts, device=self.device)
        return ScoredDecoder(
            name, done, source, self.rows.test, len(rows) * source.per_row, encoder=encoder, tap=tap, **named
        )

    def reuse(self, folder: Path) -> ScoredDecoder:
        """A decoder trained before, on the test rows that it has not seen."""
        from worldprobe.decoders import trained

        done = trained.load(folder, device=self.device)
        source = self.rows.pairs
        tokens, frames = source.read(0)
        done.check(tokens.shape[1:])
        tap = f"{self.plan.encoder}/{blocks_name(source.blocks)}.out"
        # Tokens of another block, or of several summed, may be as wide, and are others.
        if (learnt := str(done.facts.get("tap", tap))).rpartition("/")[2] != tap.rpartition("/")[2]:
            raise DecoderError(
                f"the decoder in {folder} was trained on {learnt}, and these are tokens of {tap}: "
                "ask for the blocks that it was trained on by --blocks"
            )
        if (done.shape.frames, done.shape.size) != (frames.shape[1], frames.shape[-2:]):
            raise DecoderError(
                f"the weights in {folder} draw {done.shape.frames} frames of {done.shape.size} px a tubelet, "
                f"here they are {frames.shape[1]} of {frames.shape[-2:]}: use --size {min(done.shape.size)}"
            )
        seen = known_clips(folder)
        rows = tuple(row for row in self.rows.test if not self._in(seen, row))
        if not rows:
            raise DecoderError(
                f"the decoder in {folder} was trained on every clip that this split would test it on. "
                "Give videos that it has not seen, or the split's seed that it was trained with."
            )
        return ScoredDecoder(
            done.name, done, source, rows, int(done.facts["pairs"]), encoder=self.plan.encoder, tap=tap
        )

    def _in(self, seen: TrainingClips, row: int) -> bool:
        number, clip = self.rows.pairs.clips[row]
        episode, began = episode_of(self.series[number], clip)
        return seen.has(self.series[number].specs[clip], episode=episode, began=began)

    def of_encoder(self, name: str, blocks: str) -> StoredPairs:
        """The rows' frames beside another encoder's tokens, or beside other blocks of the same."""
        like = () if name == self.plan.encoder else self.series
        videos = [one.video.id for one in self.series]
        series, found = unpooled(self.store, videos, encoder=name, blocks=blocks, like=like)
        return replace(self.rows.pairs, series=series, blocks=found)

    def fresh(self, decoder: str, source: TokenPairs, norm: bool) -> Any:
        """A decoder of these tokens with its first weights, which torch's own generator draws."""
        tokens, frames = source.read(self.rows.training[0])
        shape = DecoderShape(
            grid=(tokens.shape[1], tokens.shape[2]),
            width=tokens.shape[3],
            size=self.rows.size,
            frames=frames.shape[1],
            parts=source.parts,
            norm=norm,
        )
        return module_of(self.plan, decoder, shape)

    def _kept(self, folder: Path) -> str | None:
        """The key of what lies in a folder; None where nothing finished does."""
        try:
            return str(json.loads((folder / "config.json").read_text(encoding="utf-8"))["facts"]["key"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


def module_of(plan: DecodingPlan, decoder: str, shape: DecoderShape) -> Any:
    """A decoder with fresh weights, as the plan's options have it. Raises WorldprobeError as it does."""
    import torch

    options = options_of(plan.decode, decoder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(plan.seed)
        return registry.create("decoders", decoder, shape=shape, **options)


def options_of(table: Decode, decoder: str) -> dict[str, Any]:
    """What ``[decode]`` gives a decoder by its name without an argument."""
    return table.options.get(registry.parts("decoders", decoder)[0], {})


def recipe_of(plan: DecodingPlan, module: Any, device: str) -> Any:
    """The plan's wishes over the decoder's own (its attribute ``recipe``)."""
    from worldprobe.decoders.training import Recipe

    wishes = {name: getattr(plan.decode, name) for name in ("steps", "batch", "learning_rate", "patience")}
    chosen = {name: value for name, value in wishes.items() if value is not None}
    own = {"steps": _STEPS, **getattr(module, "recipe", {})}
    return Recipe(**{**own, **chosen, "precision": precision_for(plan.precision, device), "seed": plan.seed})


def precision_for(chosen: Literal["auto", "fp32", "bf16"], device: str) -> Literal["fp32", "bf16"]:
    """Choose a precision where none is asked for: bf16 on GPUs and on CPUs (this machine's) that have instructions
    for it, AMX or AVX512-bf16, fp32 elsewhere."""
    import torch

    if chosen != "auto":
        return chosen
    if device.startswith("cuda"):
        return "bf16"
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return "bf16" if capabilities.get("amx_bf16") or capabilities.get("avx512_bf16") else "fp32"


def open_workshop(
    store: Store, videos: Mapping[str, Path], plan: DecodingPlan, out: Path, ledger: Ledger, *, progress: Progress
) -> Workshop:
    """Find the tokens, read the frames, hold groups out. Raises WorldprobeError as ``unpooled`` and ``lay_out``.

    Args:
        videos: ids, and where each is: the store only knows where it was when it was encoded.
    """
    found, blocks = unpooled(store, list(videos), encoder=plan.encoder, blocks=plan.decode.blocks)
    every = [replace(one, video=replace(one.video, path=str(videos[one.video.id]))) for one in found]
    # One without clips is none of those that are asked for.
    usable = every if plan.decode.videos is None else [one for one in every if whole_clips(store, one, blocks)]
    series = spread(usable or every, plan.decode.videos)
    started = time.perf_counter()
    try:
        rows = lay_out(
            store,
            series,
            blocks,
            out / FOLDER,
            size=plan.decode.size,
            split=plan.split,
            seed=plan.seed,
            progress=progress,
        )
    except ProbeError as error:
        if len(series) == len(usable):
            raise
        raise ProbeError(
            f"videos = {plan.decode.videos} in [decode] leaves too little to hold some out: {error} Or raise "
            "videos in [decode], or leave it out to decode all."
        ) from error
    clips = len(rows.pairs.clips)
    ledger.book("frames", started=started, items=clips, device="cpu")
    return Workshop(store, series, rows, plan, out, ledger, progress, every=every, usable=len(usable))


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """Name a decoder that is trained: under which name, on whose tokens, and as which control."""

    decoder: str
    name: str
    encoder: str
    baseline: DecodingBaseline = "none"


def trainings(table: Decode, *, encoder: str, twin: str | None) -> list[DecoderSpec]:
    """List the decoders that ``[decode]`` trains, and its trained controls with the first of them."""
    found = [DecoderSpec(decoder, folder_of(decoder), encoder) for decoder in table.decoders]
    first, name = found[0].decoder, found[0].name
    if "shuffled" in table.controls:
        found.append(DecoderSpec(first, f"{name}-shuffled", encoder, "shuffled-embedding"))
    others = control_encoders(encoder, twin)
    baselines: tuple[DecodingBaseline, ...] = ("random-init", "pixels")
    for baseline in baselines:
        if baseline in table.controls and baseline in others:
            found.append(DecoderSpec(first, f"{name}-{baseline}", others[baseline], baseline))
    return found


def train_all(shop: Workshop, only: Collection[str] | None = None) -> list[ScoredDecoder]:
    """Train all that the plan lists, or those of these names; or take the weights that it names."""
    plan, table, own = shop.plan, shop.plan.decode, shop.series[0]
    if plan.weights is not None:
        return [shop.reuse(plan.weights)]
    found: list[dict[str, Any]] = []
    for one in trainings(table, encoder=plan.encoder, twin=own.twin):
        if only is not None and one.name not in only:
            continue
        source: TokenPairs = shop.rows.pairs
        norm = own.status != "floor"
        if one.baseline == "shuffled-embedding":
            source = shop.rows.pairs.mismatched(mismatched(shop.rows, seed=plan.seed))
        elif one.baseline != "none":
            norm = one.baseline == "random-init"
            source = shop.of_encoder(one.encoder, table.blocks if norm else "last")
        module = shop.fresh(one.decoder, source, norm)  # one after the other: torch's generator serves all threads
        asked = {"decoder": one.decoder, "name": one.name, "encoder": one.encoder, "baseline": one.baseline}
        found.append({**asked, "source": source, "norm": norm, "module": module})
    return _beside(shop, found)


def _beside(shop: Workshop, asked: Sequence[dict[str, Any]]) -> list[ScoredDecoder]:
    """Train as ``Workshop.train`` is asked to: on a CPU side by side, on its cores, which no step of one fills.

    Two trained on a core each take 70 % of the time that they take one after the other on two. Which are there
    already changes nothing: threads decide on the last digits.
    """
    from worldprobe.decoders.trained import WEIGHTS

    if shop.device != "cpu":
        return [shop.train(**one) for one in asked]
    to_train = sum(not (shop.out / FOLDER / one["name"] / WEIGHTS).exists() for one in asked)
    beside = max(1, min(torch_lanes(len(asked)), to_train))
    return torch_side_by_side([partial(shop.train, **one, beside=beside) for one in asked])


def folder_of(decoder: str) -> str:
    """A decoder's name as that of its folder."""
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in decoder)
