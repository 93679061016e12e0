"""The attentive probe: what is in the tokens, wherever it is, when the probe may look for it.

The published evaluations train twenty such probes and report the best of them on the set they report on. Here
the configuration and the epoch are chosen on groups held out of the training rows; the test rows are never seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from worldprobe.errors import ProbeError, RegistryError
from worldprobe.execute.devices import device_for
from worldprobe.probes.attention import Parameters, forward, heads_for, initial
from worldprobe.probes.linear.logistic import NEVER
from worldprobe.probes.slope import Numbers, Shares, class_slope, number_slopes

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Tokens = NDArray[np.float16] | NDArray[np.float32]
LEARNING_RATES = (3e-3, 1e-3, 3e-4)
WEIGHT_DECAYS = (0.01, 0.4)
_HELD_OUT = 0.2
_WARM_UP = 0.1
_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Choice:
    """What did best on the validation groups; epoch 0 is the constant that all begin with."""

    learning_rate: float
    weight_decay: float
    epoch: int
    loss: float


class AttentiveProbe(BaseEstimator):  # type: ignore[misc]
    """Cross-attention pooling and a linear layer; all configurations are trained side by side in one model.

    Args:
        learning_rates, weight_decays: every pair is a configuration.
        epochs: passes over the rows, with a tenth of them to warm up, then a cosine.
        batch: clips a step.
        seed: of the start, the batches and the groups held out.
        device: as torch names it; "auto" is a GPU where torch finds one.
    """

    def __init__(
        self,
        *,
        learning_rates: tuple[float, ...] = LEARNING_RATES,
        weight_decays: tuple[float, ...] = WEIGHT_DECAYS,
        epochs: int = 20,
        batch: int = 64,
        seed: int = 0,
        device: str = "auto",
    ) -> None:
        self.learning_rates, self.weight_decays = learning_rates, weight_decays
        self.epochs, self.batch, self.seed, self.device = epochs, batch, seed, device
        self.chosen: Choice | None = None

    @property
    def configurations(self) -> tuple[tuple[float, float], ...]:
        """Every learning rate with every weight decay."""
        return tuple(product(self.learning_rates, self.weight_decays))

    def fit(
        self, tokens: Tokens, target: Floats, unit: Ints, *, classes: int = 0, rows: Ints | None = None
    ) -> AttentiveProbe:
        """Train on tokens [n, t, d], choosing on a fifth of the units. Only batches are taken out of ``tokens``.

        Args:
            tokens: in memory or in a file (``numpy.memmap``).
            target: float64 [n, k], or class indices [n, 1] out of ``classes`` (0: regression).
            unit: what may not stand on both sides, int64 [n].
            rows: the rows that may be seen; all where it is not given.

        Raises:
            ProbeError: tokens of another shape or not finite, a constant target, fewer than two units.
        """
        import torch

        rows = np.arange(len(tokens)) if rows is None else rows
        _check(tokens, target, unit, rows)
        generator = torch.Generator().manual_seed(self.seed)
        held = _held_out(unit[rows], self.seed)
        fitting, stopping = rows[~held], rows[held]
        if classes:
            start = Shares.of(target[fitting], classes).log
            goal = torch.from_numpy(target[:, 0].astype(np.int64))
            self._middle, self._spread = np.zeros(classes), np.ones(classes)
        else:
            spread = target[fitting].std(axis=0)
            self._middle, self._spread = target[fitting].mean(axis=0), np.where(spread > 0, spread, 1.0)
            start = np.zeros(target.shape[1])
            goal = torch.from_numpy((target - self._middle) / self._spread).float()
        self._classes, self._width, self._heads = classes, tokens.shape[2], heads_for(tokens.shape[2])
        parameters = initial(tokens.shape[2], len(self.configurations), start, generator)
        self._device = device_for(self.device)
        parameters = {name: one.to(self._device) for name, one in parameters.items()}
        self._train(parameters, tokens, goal, fitting, stopping, generator)
        self._believe(self._output(tokens, stopping), target[fitting], target[stopping])
        return self

    def predict(self, tokens: Tokens, rows: Ints | None = None) -> Floats:
        """Values float64 [n, k], or log-probabilities [n, classes], of these rows (or all) of tokens [n, t, d]."""
        assert self.chosen is not None, "predict before fit"
        if tokens.ndim != 3 or tokens.shape[2] != self._width:
            raise ProbeError(f"the probe was fitted to tokens [n, t, {self._width}], got {tokens.shape = }")
        output = self._output(tokens, np.arange(len(tokens)) if rows is None else rows)
        if isinstance(self._known, Shares):
            return self._known.believed(output, float(self._slope[0]))
        return self._known.believed(output, self._slope)

    def _output(self, tokens: Tokens, rows: Ints) -> Floats:
        """What the network gives for these rows, before it is believed."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(rows), self.batch):
                batch = self._batch(tokens, rows[start : start + self.batch])
                output = forward(self._parameters, batch, self._heads)[0]
                parts.append(
                    (output.log_softmax(dim=1).clamp(min=NEVER) if self._classes else output).double().cpu()
                )
        return np.asarray(torch.cat(parts).numpy() * self._spread + self._middle)

    def _believe(self, output: Floats, target: Floats, stopping: Floats) -> None:
        """Find the slope (``probes.slope``) on the groups held out, whose targets are ``stopping``."""
        self._known: Numbers | Shares
        if self._classes:
            shares = self._known = Shares.of(target, self._classes)
            log = np.tile(shares.log, (len(output), 1))
            slope, loss = class_slope(stopping[:, 0].astype(np.int64), log, shares.deviation(output))
            self._slope, self._loss = np.array([slope]), loss / len(output)
            return
        numbers = self._known = Numbers.of(target)
        columns = target.shape[1]
        slopes, losses = number_slopes(numbers.truth(stopping), numbers.deviation(output), together=columns)
        self._slope, self._loss = np.repeat(slopes, columns), float(losses[0]) / len(output)

    def choice(self) -> tuple[float, float]:
        """The weight decay chosen, infinite where the constant was, and its validation loss a row at the slope."""
        assert self.chosen is not None, "asked before fit"
        strength = self.chosen.weight_decay if self.chosen.epoch and self._slope.any() else np.inf
        return strength, self._loss

    def _train(
        self, parameters: Parameters, tokens: Tokens, goal: Tensor, fitting: Ints, stopping: Ints, generator: object
    ) -> None:
        """Keep, of all configurations and epochs, the one with the least validation loss."""
        import torch

        steps = -(-len(fitting) // self.batch)
        optimizer = _AdamW(parameters, self.configurations, self._device, total=self.epochs * steps)
        best = np.inf
        for epoch in range(self.epochs + 1):
            if epoch:
                order = fitting[torch.randperm(len(fitting), generator=generator).numpy()]  # type: ignore[call-overload]
                for start in range(0, len(order), self.batch):
                    rows = order[start : start + self.batch]
                    # Each configuration's loss moves its own parameters only, so their sum is all of them at once.
                    optimizer.step(self._losses(parameters, tokens, goal, rows).mean(dim=1).sum())
            with torch.no_grad():
                parts = [
                    self._losses(parameters, tokens, goal, stopping[start : start + self.batch]).sum(dim=1)
                    for start in range(0, len(stopping), self.batch)
                ]
            losses = torch.stack(parts).sum(dim=0).cpu().numpy() / len(stopping)
            index = int(np.where(np.isfinite(losses), losses, np.inf).argmin())
            if losses[index] < best:
                best = float(losses[index])
                rate, decay = self.configurations[index]
                self.chosen = Choice(rate, decay, epoch, best)
                self._parameters = {n: one[index : index + 1].detach().clone() for n, one in parameters.items()}

    def _losses(self, parameters: Parameters, tokens: Tokens, goal: Tensor, rows: Ints) -> Tensor:
        """Log loss or squared error of each configuration and row, [C, rows]."""
        from torch.nn import functional

        output = forward(parameters, self._batch(tokens, rows), self._heads)
        truth = goal[rows].to(self._device).expand(len(output), *goal[rows].shape)
        if self._classes:
            return functional.cross_entropy(output.flatten(0, 1), truth.flatten(), reduction="none").view(
                len(output), -1
            )
        return ((output - truth) ** 2).mean(dim=2)

    def _batch(self, tokens: Tokens, rows: Ints) -> Tensor:
        import torch

        return torch.from_numpy(np.ascontiguousarray(tokens[rows])).to(self._device).float()


class _Attentive:
    """Shared by both kinds. The argument is the number of epochs, 20 by default."""

    reads: Literal["tokens"] = "tokens"

    def __init__(self, argument: str | None = None) -> None:
        if argument is not None and not (argument.isdecimal() and int(argument) > 0):
            raise RegistryError(f"an attentive probe's argument is its number of epochs, got {argument!r}")
        self.epochs = int(argument) if argument else 20

    def fit(
        self, tokens: Tokens, target: Floats, *, unit: Ints, rows: Ints, classes: int, seed: int
    ) -> AttentiveProbe:
        """Fit to these rows of tokens [n, t, d]; the configuration and the epoch are chosen among them."""
        return AttentiveProbe(epochs=self.epochs, seed=seed).fit(tokens, target, unit, classes=classes, rows=rows)


class AttentiveRegression(_Attentive):
    """Cross-attention pooling over a tubelet's tokens, then a linear layer, fitted to squared error."""

    name = "attentive-regression"
    kind: Literal["regression", "classification"] = "regression"


class AttentiveClassification(_Attentive):
    """Cross-attention pooling over a tubelet's tokens, then a linear layer, fitted to log loss."""

    name = "attentive-classification"
    kind: Literal["regression", "classification"] = "classification"


class _AdamW:
    """AdamW (Loshchilov and Hutter 2019) with a rate and a decay for each configuration."""

    def __init__(
        self, parameters: Parameters, configurations: tuple[tuple[float, float], ...], device: str, *, total: int
    ) -> None:
        import torch

        self._parameters, self._total, self._done = parameters, total, 0
        for one in parameters.values():
            one.requires_grad_()
        self._first = {name: torch.zeros_like(one) for name, one in parameters.items()}
        self._second = {name: torch.zeros_like(one) for name, one in parameters.items()}
        self._rate, self._decay = torch.tensor(configurations, dtype=torch.float32, device=device).T

    def step(self, loss: Tensor) -> None:
        """Move every configuration's parameters down its own part of the loss."""
        import torch

        gradients = torch.autograd.grad(loss, list(self._parameters.values()))
        self._done += 1
        warm_up = max(1.0, _WARM_UP * self._total)
        now = min(self._done / warm_up, 0.5 * (1 + np.cos(np.pi * (self._done - 1) / self._total)))
        with torch.no_grad():
            for (name, one), gradient in zip(self._parameters.items(), gradients, strict=True):
                first, second = self._first[name], self._second[name]
                first.lerp_(gradient, 1 - _BETA1)
                second.lerp_(gradient**2, 1 - _BETA2)
                change = first / (1 - _BETA1**self._done)
                change /= (second / (1 - _BETA2**self._done)).sqrt() + _EPSILON
                shape = (-1, *[1] * (one.ndim - 1))
                # Offsets, norms and the query are not pulled to zero, as in the published evaluations.
                if name.endswith(".weight"):
                    change += self._decay.view(shape) * one
                one -= now * self._rate.view(shape) * change


def _held_out(unit: Ints, seed: int) -> NDArray[np.bool_]:
    """Which rows to choose on: a fifth of the units, [n]."""
    names = np.random.default_rng(seed).permutation(np.unique(unit))
    return np.isin(unit, names[: max(1, round(_HELD_OUT * len(names)))])


def _check(tokens: Tokens, target: Floats, unit: Ints, rows: Ints) -> None:
    if tokens.ndim != 3 or not len(tokens) == len(target) == len(unit) or target.ndim != 2:
        raise ProbeError(
            "an attentive probe needs tokens [n, t, d], a target [n, k] and units [n], got "
            f"{tokens.shape = }, {target.shape = }, {unit.shape = }"
        )
    bad = sum(not np.isfinite(tokens[row]).all() for row in rows)
    if bad:
        raise ProbeError(f"{bad} of {len(rows)} examples hold NaN or infinite tokens; encode them again in fp32")
    if (np.ptp(target[rows], axis=0) == 0).all():
        raise ProbeError("the target is constant: there is nothing to read")
    if len(np.unique(unit[rows])) < 2:
        raise ProbeError("all examples are of one group, so none can be held out to choose on. Add video.")
