"""One hidden layer: what a probe reads that is there, but not along a straight line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import RegistryError
from worldprobe.probes.linear.logistic import NEVER
from worldprobe.probes.slope import Shares
from worldprobe.protocols import Fitted, TrainingSet

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Floats = NDArray[np.float64]
_STRENGTHS = (0.01, 1.0, np.inf)
_WIDTH = 128
_RATE = 3e-3
_BATCH = 256
_MOST_EPOCHS = 300
# Without getting better, this many epochs and this many steps: of few rows an epoch is a step or two.
_PATIENCE = 15
_PATIENT_STEPS = 60
_HELD_OUT = 0.2
_MEAN = 1  # over rows, as aten's losses number it


class _Mlp:
    """Shared by both kinds. The argument is the hidden layer's width, 128 by default."""

    strengths: tuple[float, ...] = _STRENGTHS

    def __init__(self, argument: str | None = None, *, seed: int = 0) -> None:
        if argument is not None and not (argument.isdecimal() and int(argument) > 0):
            raise RegistryError(f"an mlp's argument is the width of its hidden layer, got {argument!r}")
        self.width = int(argument) if argument else _WIDTH
        self.seed = seed

    def fit(
        self,
        training: TrainingSet,
        target: Floats,
        *,
        strength: float,
        classes: int,
        start: Fitted | None = None,
    ) -> FittedMlp:
        """Fit to a target [n, k], or class indices [n, 1] out of ``classes``; ``strength`` is the weight decay.

        A fifth of the training set's units is held out to stop at; the same under the same seed. The network
        begins as the constant and stays it if nothing better is found on these units. Infinity, or a single
        unit, which leaves nothing to stop at, gives the constant.
        """
        middle, spread = (Shares.of(target, classes).log, 1.0) if classes else _standard(target)
        model = None
        names = np.unique(training.unit)
        if np.isfinite(strength) and len(names) > 1:
            generator = np.random.default_rng(self.seed)
            stopping = generator.permutation(names)[: max(1, round(_HELD_OUT * len(names)))]
            held = np.isin(training.unit, stopping)
            goal = target if classes else (target - middle) / spread
            model = _train(
                training.standardize(training.inputs), goal, held, middle if classes else np.zeros(len(middle)),
                width=self.width, decay=strength, classes=classes, seed=self.seed,
            )  # fmt: skip
        return FittedMlp(training, model, middle, spread, classes)


class MlpRegression(_Mlp):
    """One hidden layer, fitted to squared error with weight decay and early stopping."""

    name = "mlp-regression"
    kind: Literal["regression", "classification"] = "regression"


class MlpClassification(_Mlp):
    """One hidden layer, fitted to log loss with weight decay and early stopping."""

    name = "mlp-classification"
    kind: Literal["regression", "classification"] = "classification"


@dataclass(frozen=True, eq=False)
class FittedMlp:
    """The network (None: a constant), and what its outputs are in units of: [k] each."""

    training: TrainingSet
    model: nn.Module | None
    middle: Floats
    spread: Floats | float
    classes: int

    def predict(self, inputs: NDArray[np.float32]) -> Floats:
        """Values float64 [m, k], or log-probabilities [m, classes]."""
        if self.model is None:
            return np.tile(self.middle, (len(inputs), 1))
        import torch

        with torch.inference_mode():
            output = self.model(torch.from_numpy(self.training.standardize(inputs)).float())
            if self.classes:
                return np.asarray(output.log_softmax(dim=1).double().numpy().clip(NEVER))
        return np.asarray(output.double().numpy() * self.spread + self.middle)


def _standard(target: Floats) -> tuple[Floats, Floats]:
    spread = target.std(axis=0)
    return target.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _train(
    inputs: Floats,
    goal: Floats,
    held: NDArray[np.bool_],
    constant: Floats,
    *,
    width: int,
    decay: float,
    classes: int,
    seed: int,
) -> nn.Module:
    """The network of the epoch that did best on the held-out rows, the constant among them.

    AdamW (Loshchilov and Hutter 2019) on batches of 256; the output layer begins at zero weights.
    """
    import torch
    from torch.optim.adamw import adamw

    generator = torch.Generator().manual_seed(seed)
    model = _network(inputs.shape[1], width, constant, generator)
    rows = torch.from_numpy(inputs).float()
    truth = torch.from_numpy(goal[:, 0]).long() if classes else torch.from_numpy(goal).float()
    fitting, stopping = torch.from_numpy(np.flatnonzero(~held)), torch.from_numpy(np.flatnonzero(held))
    weights = [one.detach() for one in model.parameters()]
    means, squares = ([torch.zeros_like(one) for one in weights] for _ in range(2))
    taken = [torch.zeros(()) for _ in weights]

    steps = -(-len(fitting) // _BATCH)
    patience = max(_PATIENCE, -(-_PATIENT_STEPS // steps))
    best, best_loss, waited = _copy(model), np.inf, 0
    held_rows, held_truth = rows[stopping], truth[stopping]
    with torch.no_grad():
        for epoch in range(_MOST_EPOCHS + 1):
            if epoch:
                for batch in torch.split(fitting[torch.randperm(len(fitting), generator=generator)], _BATCH):
                    gradients = _gradients(weights, rows[batch], truth[batch], classes=bool(classes))
                    adamw(
                        weights, list(gradients), means, squares, [], taken, fused=True, amsgrad=False, beta1=0.9,
                        beta2=0.999, lr=_RATE, weight_decay=decay, eps=1e-8, maximize=False,
                    )  # fmt: skip
            output = _forward(weights, held_rows)[1]
            now = float(_loss(output, held_truth, classes=bool(classes)))
            waited += 1
            if now < best_loss:
                best, best_loss, waited = _copy(model), now, 0
            if waited >= patience:
                break
    model.load_state_dict(best)
    return model


def _forward(weights: Sequence[Tensor], rows: Tensor) -> tuple[Tensor, Tensor]:
    """Compute both layers of rows [m, d]: the hidden one after its ReLU, [m, width], and the last, [m, outputs]."""
    import torch

    first, first_bias, last, last_bias = weights
    hidden = torch.addmm(first_bias, rows, first.t()).relu_()
    return hidden, torch.addmm(last_bias, hidden, last.t())


def _loss(output: Tensor, truth: Tensor, *, classes: bool) -> Tensor:
    from torch.nn import functional

    return functional.cross_entropy(output, truth) if classes else functional.mse_loss(output, truth)


def _gradients(weights: Sequence[Tensor], rows: Tensor, truth: Tensor, *, classes: bool) -> tuple[Tensor, ...]:
    """Compute the loss's gradient by each weight, written out: of two small layers autograd's own work is most.

    Bit for bit those of ``_loss(...).backward()`` (``tests/probes/test_nonlinear.py``).
    """
    import torch

    hidden, output = _forward(weights, rows)
    one = output.new_ones(())
    if classes:
        aten, logs = torch.ops.aten, output.log_softmax(dim=1)
        _, count = aten.nll_loss_forward(logs, truth, None, _MEAN, -100)
        error = aten.nll_loss_backward(one, logs, truth, None, _MEAN, -100, count)
        error = aten._log_softmax_backward_data(error, logs, 1, output.dtype)
    else:
        error = torch.ops.aten.mse_loss_backward(one, output, truth, _MEAN)
    back = error.mm(weights[2]).mul_(hidden > 0)
    return back.t().mm(rows), back.sum(dim=0), error.t().mm(hidden), error.sum(dim=0)


def _network(inputs: int, width: int, constant: Floats, generator: torch.Generator) -> nn.Module:
    """Two layers that give the constant [outputs] at first, drawn without touching the global seed."""
    import torch
    from torch import nn

    # On "meta" nothing is drawn; every number is set below.
    hidden, last = nn.Linear(inputs, width, device="meta"), nn.Linear(width, len(constant), device="meta")
    model = nn.Sequential(hidden, nn.ReLU(), last).to_empty(device="cpu")
    with torch.no_grad():
        # He et al. 2015, eq. 10.
        hidden.weight.normal_(0.0, float(np.sqrt(2 / inputs)), generator=generator)
        hidden.bias.zero_()
        last.weight.zero_()
        last.bias.copy_(torch.from_numpy(constant))
    return model


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
