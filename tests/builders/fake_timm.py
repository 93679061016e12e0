"""A library in the shape of timm's documented interface, with small networks of each layout that it has."""

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace

import torch
from safetensors.torch import save_file
from torch import nn

SIDE, PATCH, WIDTH = 32, 8, 24
CFG = {
    "input_size": (3, SIDE, SIDE), "mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "crop_pct": 0.8,
    "interpolation": "bicubic", "crop_mode": "center", "fixed_input_size": True, "classifier": "head",
    "num_classes": 5, "hf_hub_id": None,
}  # fmt: skip


class _Classifier(nn.Module):
    def __init__(self, classes, width):
        super().__init__()
        self.num_features, self.pretrained_cfg = width, {}
        self.head = nn.Linear(width, classes) if classes else nn.Identity()

    def reset_classifier(self, classes):
        self.head = nn.Linear(self.num_features, classes) if classes else nn.Identity()


class Sequence(_Classifier):
    """A transformer with a class token and a register."""

    def __init__(self, num_classes=5, depth=3):
        super().__init__(num_classes, WIDTH)
        self.num_prefix_tokens = 2
        self.patch_embed = nn.Conv2d(3, WIDTH, PATCH, PATCH)
        self.cls_token, self.reg_token = (nn.Parameter(torch.randn(1, 1, WIDTH)) for _ in range(2))
        self.pos_embed = nn.Parameter(torch.randn(1, (SIDE // PATCH) ** 2, WIDTH))
        made = (nn.TransformerEncoderLayer(WIDTH, 2, 32, 0.0, batch_first=True) for _ in range(depth))
        self.blocks, self.norm = nn.Sequential(*made), nn.LayerNorm(WIDTH)

    def set_input_size(self, img_size):
        rows, columns = (side // PATCH for side in img_size)
        if rows * PATCH != img_size[0]:
            raise AssertionError(f"Input height ({img_size[0]}) should be divisible by patch size ({PATCH}).")
        old = self.pos_embed.reshape(1, SIDE // PATCH, -1, WIDTH).permute(0, 3, 1, 2)
        new = nn.functional.interpolate(old, (rows, columns), mode="bilinear")
        self.pos_embed = nn.Parameter(new.flatten(2).transpose(1, 2))

    def forward_features(self, x):
        cells = self.patch_embed(x).flatten(2).transpose(1, 2) + self.pos_embed
        first = torch.cat((self.cls_token, self.reg_token), 1).expand(len(x), -1, -1)
        return self.norm(self.blocks(torch.cat((first, cells), 1)))


class Maps(_Classifier):
    """A network of convolutions, of which the last may give its channels last."""

    def __init__(self, num_classes=5, last=False):
        super().__init__(num_classes, 2 * WIDTH)
        self.feature_info = [{"num_chs": WIDTH, "reduction": 4}, {"num_chs": 2 * WIDTH, "reduction": 8}]
        self.stages, self.last = nn.ModuleList([nn.Conv2d(3, WIDTH, 4, 4), nn.Conv2d(WIDTH, 2 * WIDTH, 2, 2)]), last

    def forward_intermediates(self, x, indices, intermediates_only, stop_early):
        found = []
        for stage in self.stages[: max(indices) + 1]:
            x = stage(x)
            found.append(x)
        return [found[index] for index in indices]

    def forward_features(self, x):
        found = self.stages[1](self.stages[0](x))
        return found.permute(0, 2, 3, 1) if self.last else found


class Flat(Maps):
    """One vector a picture."""

    def forward_features(self, x):
        return super().forward_features(x).mean(dim=(2, 3))


class Broken(Maps):
    """Fails on a picture."""

    def forward_features(self, x):
        return nn.functional.linear(x, torch.zeros(3, 5))


def checkpoint_filter_fn(weights, model):
    """Names as the networks' authors have them to those here."""
    return {key.removeprefix("theirs."): value for key, value in weights.items()}


MODELS = {
    "sequence": (Sequence, {}, {}),
    "maps": (Maps, {}, {"fixed_input_size": False}),
    "maps_last": (Maps, {"last": True}, {"crop_mode": "squash", "crop_pct": 1.0}),
    "flat": (Flat, {}, {}),
    "broken": (Broken, {}, {}),
    "grey": (Maps, {}, {"input_size": (1, SIDE, SIDE)}),
    "bordered": (Maps, {}, {"crop_mode": "border"}),
    "odd": (Maps, {}, {"input_size": (3, 36, 36), "interpolation": "bilinear"}),
    "random_resize": (Maps, {}, {"interpolation": "random"}),
}


def library():
    """The module."""
    found = ModuleType("timm")
    found.__version__ = "1.0.0"
    found.create_model, found.is_model, found.get_pretrained_cfg = create_model, is_model, get_pretrained_cfg
    found.list_models, found.list_pretrained = (lambda: list(MODELS)), (lambda: ["sequence.trained"])
    return found


def create_model(name, pretrained, **options):
    assert not pretrained
    more = {}
    if name.startswith("local-dir:"):
        written = json.loads((Path(name.removeprefix("local-dir:")) / "config.json").read_text())
        name, more = written["architecture"], written["pretrained_cfg"]
    kind, arguments, changed = MODELS[name.partition(".")[0]]
    model = kind(**arguments, **options)
    model.pretrained_cfg = {**CFG, **changed, **more}
    return model


def is_model(name):
    return name.partition(".")[0] in MODELS


def get_pretrained_cfg(name):
    model, _, tag = name.partition(".")
    if tag not in ("", "trained"):
        raise RuntimeError(f"Invalid pretrained tag ({tag}) for {model}.")
    return SimpleNamespace(**{**CFG, "hf_hub_id": f"timm/{name}" if tag else None}) if model in MODELS else None


def written(name, folder):
    """A checkpoint's folder as timm writes it; and the model."""
    torch.manual_seed(3)
    model = create_model(name, pretrained=False).eval()
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    cfg = {key: value for key, value in model.pretrained_cfg.items() if key != "hf_hub_id"}
    (folder / "config.json").write_text(json.dumps({"architecture": name, "pretrained_cfg": cfg}))
    return model
