"""V-JEPA 2-AC's predictor (Assran et al. 2025, sec. 3): the tokens of the next frame from those so far and actions.

Shapes: B clips, T frames, S tokens of a frame, D width of the encoder's tokens, W the predictor's, A numbers of an
action and of a state.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from worldprobe.encoders.forward import angles, places_of
from worldprobe.encoders.networks.block import Block
from worldprobe.encoders.networks.vjepa21 import draw

_CONDITIONS = 2  # tokens before a frame's own: its action and its state


class Predictor(nn.Module):
    """The weights, by the names that ``official`` gives them, and the pass over them.

    A frame is its action, its state and its S tokens, which look at all of their own frame and of those before. An
    action and a state turn with their frame's time, and with neither row nor column.
    """

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        inside, width = config.pred_hidden_size, config.hidden_size
        self.embeddings = nn.Module()
        self.embeddings.add_module("predictor_embed", nn.Linear(width, inside))
        self.action_encoder, self.state_encoder = (nn.Linear(config.action_dim, inside) for _ in range(2))
        heads, blocks = config.pred_num_attention_heads, range(config.pred_num_hidden_layers)
        self.layer = nn.ModuleList(Block(config, inside, heads, config.pred_mlp_ratio) for _ in blocks)
        self.layernorm = nn.LayerNorm(inside, eps=config.layer_norm_eps)
        self.proj = nn.Linear(inside, width)

    def forward(self, tokens: Tensor, actions: Tensor, states: Tensor) -> Tensor:
        """Tokens [B, T, S, D] with each frame's action and state [B, T, A] to those of the frame after each."""
        time, count = tokens.shape[1:3]
        conditions = torch.stack((self.action_encoder(actions), self.state_encoder(states)), 2)
        frames = torch.cat((conditions, self.embeddings.predictor_embed(tokens)), 2)  # type: ignore[operator]
        cosine, sine, seen = self._tables(time, count, tokens.device)
        hidden = frames.flatten(1, 2)
        for layer in self.layer:
            hidden = layer(hidden, cosine, sine, seen)
        of_frames = hidden.reshape(len(tokens), time, _CONDITIONS + count, -1)[:, :, _CONDITIONS:]
        told: Tensor = self.proj(self.layernorm(of_frames))
        return told

    def _tables(self, time: int, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Cosines and sines [1, 1, N, W / heads] of the angles at each token, and which tokens each looks at."""
        side = self.config.crop_size // self.config.patch_size
        index = torch.arange(time * count, device=device)
        of_frames = [place.view(time, count) for place in places_of(index, side, scale=1.0)]
        when = of_frames[0][:, :1].expand(-1, _CONDITIONS)
        nowhere = torch.zeros_like(when, dtype=torch.float64)
        before = (when, nowhere, nowhere)
        places = [torch.cat((a, b), 1).flatten() for a, b in zip(before, of_frames, strict=True)]
        head = self.config.pred_hidden_size // self.config.pred_num_attention_heads
        turns = angles((places[0], places[1], places[2]), head, interleaved=False)
        seen = places[0][:, None] >= places[0][None, :]
        return turns.cos().float()[None, None], turns.sin().float()[None, None], seen


def fresh(config: Any) -> Predictor:
    """An untrained one; by torch's global generator."""
    with torch.device("meta"):  # so that nothing is drawn twice
        made = Predictor(config)
    made = made.to_empty(device="cpu")
    draw(made)
    return made
