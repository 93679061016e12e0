"""A CUDA device that is none: its tensors lie in this machine's memory, and it is as strict as a card.

Tensors of two devices do not mix, a generator draws on its own device alone, and what is copied off the device
without waiting is there only once the device has been synchronized. Nothing is compiled and no gradient is taken;
speed and rounding are the CPU's. So it shows what a card would refuse, not what a card computes.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from worldprobe.encoders import forward

CUDA = torch.device("cuda", 0)
GARBAGE = -7.0
# On a card too, places may lie on the CPU, and single numbers may stand anywhere.
PLACES = ("index", "index_put", "index_put_", "_index_put_impl_")


class Held(torch.Tensor):
    """A tensor on the device, whose numbers are in ``inner``."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Held:
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.size(), strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype,
            device=CUDA,
        )  # fmt: skip

    def __init__(self, inner: torch.Tensor) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return Pretended.current.run(func, args, kwargs or {})


class Generator(torch.Generator):
    """One that knows its device; operations are given another object of the same generator."""

    on_cuda: ClassVar[set[int]] = set()

    def __new__(cls, device: Any = "cpu") -> Generator:
        made = super().__new__(cls, "cpu")
        if torch.device(device).type == "cuda":
            cls.on_cuda.add(made._cdata)
            weakref.finalize(made, cls.on_cuda.discard, made._cdata)
        return made

    def __init__(self, device: Any = "cpu") -> None:
        pass


class Pretended(TorchDispatchMode):
    """What the device does with each operation; ``late`` are copies that nobody has waited for yet."""

    current: Pretended

    def __init__(self) -> None:
        super().__init__()
        self.late: list[tuple[torch.Tensor, torch.Tensor]] = []
        Pretended.current = self

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.run(func, args, kwargs or {})

    def synchronize(self, device: Any = None) -> None:
        while self.late:
            here, value = self.late.pop()
            here.copy_(value)

    def run(self, func: Any, args: Any, kwargs: Any) -> Any:
        leaves = tree_leaves((args, kwargs))
        held = [one for one in leaves if isinstance(one, Held)]
        named = any(isinstance(one, torch.device) and one.type == "cuda" for one in leaves)
        if (held or named) and torch._C._dispatch_has_kernel_for_dispatch_key(
            func.name(), "CompositeImplicitAutograd"
        ):
            with self:
                return func.decompose(*args, **kwargs)
        name, wanted = func._overloadpacket.__name__, kwargs.get("device")
        if name == "copy_":
            return self._copied(*args, **kwargs)
        if name == "_fused_sdp_choice":
            return 0  # by plain products
        self._require_one_device(func, name, args, leaves, on_cuda=bool(held or named))
        if not (held or named):
            return func(*args, **kwargs)
        there = named if isinstance(wanted, torch.device) else bool(held)
        plain = {key: one for key, one in kwargs.items() if key not in ("non_blocking", "pin_memory")}
        if named:
            plain["device"] = torch.device("cpu")
        found = func(*tree_map(_inner, args), **tree_map(_inner, plain))
        known = {id(one.inner): one for one in held}  # operations in place give the very tensor back
        if not there:
            return found
        return tree_map(lambda one: known.get(id(one), Held(one)) if isinstance(one, torch.Tensor) else one, found)

    def _copied(self, into: torch.Tensor, of: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        if non_blocking and isinstance(of, Held) and not isinstance(into, Held):
            into.fill_(GARBAGE)
            self.late.append((into, of.inner.clone()))
        else:
            _inner(into).copy_(_inner(of))
        return into

    def _require_one_device(self, func: Any, name: str, args: Any, leaves: list[Any], *, on_cuda: bool) -> None:
        if name in PLACES:
            assert isinstance(args[0], Held) or not on_cuda, f"{func}: places on cuda in a tensor on the CPU"
        elif name != "_to_copy":
            _require_one_device(func, leaves)
        for one in leaves:
            if isinstance(one, torch._C.Generator):
                assert (one._cdata in Generator.on_cuda) == on_cuda, f"{func}: another device's generator"


class _Indexed(TorchFunctionMode):
    """``cuda`` as ``cuda:0``, which only a build for CUDA can make of it; pinned memory as any other."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = {key: _indexed(one) for key, one in (kwargs or {}).items()}
        kwargs.pop("pin_memory", None)
        if func is torch.Tensor.to:
            args = (args[0], *map(_indexed, args[1:]))
        if func is torch.Tensor.pin_memory:
            return args[0].clone()
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__) and isinstance(args[0], Held):
            return _at(*args)
        if func is torch.tensor and kwargs.get("device") == CUDA:
            return torch.tensor(*args, **{**kwargs, "device": "cpu"}).to(CUDA)
        try:
            return func(*args, **kwargs)
        except RuntimeError as error:
            if "not linked with support for cuda" not in str(error):
                raise
        # Some functions ask for the driver before they ask for a device's own operation.
        _require_one_device(func, tree_leaves((args, kwargs)))
        found = func(*tree_map(_inner, args), **tree_map(_inner, kwargs))
        return tree_map(lambda one: Held(one) if isinstance(one, torch.Tensor) else one, found)


def _require_one_device(func: Any, leaves: list[Any]) -> None:
    held = any(isinstance(one, Held) for one in leaves)
    on_cpu = [one for one in leaves if isinstance(one, torch.Tensor) and not isinstance(one, Held) and one.ndim]
    assert not (held and on_cpu), f"{func}: tensors on cuda and on the CPU"


def _at(tensor: Held, places: Any, *value: Any) -> Any:
    """``tensor[places]``, or with a value ``tensor[places] = value``: torch's own wants a device that is there."""
    if not value:
        return Held(tensor.inner[tree_map(_inner, places)])
    assert not isinstance(value[0], torch.Tensor) or isinstance(value[0], Held) or not value[0].ndim, (
        "set from the CPU"
    )
    tensor.inner[tree_map(_inner, places)] = _inner(value[0])
    return None


def _indexed(one: Any) -> Any:
    return CUDA if isinstance(one, str | torch.device) and str(one) == "cuda" else one


def _inner(one: Any) -> Any:
    return one.inner if isinstance(one, Held) else one


@contextlib.contextmanager
def pretended() -> Iterator[Pretended]:
    """Have torch find a CUDA device, until the end of the context."""
    mode = Pretended()
    kept = (forward.rotations, forward._fused)  # what they keep is of a device
    for one in kept:
        one.cache_clear()
    overwrite = torch.__future__.get_overwrite_module_params_on_conversion()
    with pytest.MonkeyPatch.context() as patch, torch.no_grad(), _Indexed(), mode:
        for name, value in {
            "is_available": lambda: True, "_lazy_init": lambda: None, "device_count": lambda: 1,
            "synchronize": mode.synchronize,
        }.items():  # fmt: skip
            patch.setattr(torch.cuda, name, value)
        patch.setattr(torch, "Generator", Generator)
        patch.setattr(torch, "compile", lambda function, **_: function)
        patch.setattr(torch, "inference_mode", torch.no_grad)
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        try:
            yield mode
        finally:
            torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
            for one in kept:
                one.cache_clear()
