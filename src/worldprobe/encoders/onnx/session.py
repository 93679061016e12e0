"""A graph in onnxruntime: one picture in, some of its inner tensors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.encoders.onnx.graph import Graph
from worldprobe.errors import RegistryError

_TYPES: Mapping[str, tuple[str, type[np.floating[Any]]]] = {
    "tensor(float)": ("fp32", np.float32),
    "tensor(float16)": ("fp16", np.float16),
}


class Session:
    """A loaded network.

    Attributes:
        size: width and height of its input in px.
        precision: of its input, fp32 or fp16.
        inputs, shapes: of its input, and of the wanted tensors that hold real numbers, for one picture.
    """

    def __init__(self, graph: Graph, wanted: Sequence[str], *, size: tuple[int, int] | None) -> None:
        """Load a graph, and run it once.

        Args:
            wanted: tensors, by name.
            size: width and height in px, for an input that leaves them open.

        Raises:
            RegistryError: it cannot be loaded or run; its input is no picture, of another size, or of an open one.
        """
        self._path, self._wanted = graph.path, list(wanted)
        self._session = _loaded(graph, self._wanted)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _TYPES:
            takes = ", ".join(f"{one.name} {list(one.shape)} {one.type}" for one in inputs)
            raise RegistryError(
                f"onnx:{self._path} takes {takes}; read is one picture [1, 3, h, w] of real numbers"
            )
        self._input = inputs[0]
        self.precision, self._type = _TYPES[self._input.type]
        self.size = self._sized(size)
        self.inputs = {self._input.name: (1, 3, self.size[1], self.size[0])}
        found = self.run(np.zeros(self.inputs[self._input.name], dtype=np.float32))
        self.shapes = {
            name: value.shape
            for name, value in zip(self._wanted, found, strict=True)
            if isinstance(value, np.ndarray) and value.dtype.kind == "f"
        }

    def run(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """The wanted tensors for a picture [1, 3, h, w].

        Raises:
            RegistryError: the network fails.
        """
        try:
            found = self._session.run(self._wanted, {self._input.name: picture.astype(self._type, copy=False)})
        # onnxruntime raises a class of its own for each way in which a run can fail.
        except Exception as error:
            raise RegistryError(f"onnx:{self._path} fails on a picture: {str(error).splitlines()[0]}") from error
        return list(found)

    def _sized(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        batch, colours, *sides = self._input.shape
        if colours != 3 or (isinstance(batch, int) and batch != 1):
            raise RegistryError(
                f"onnx:{self._path} takes {list(self._input.shape)}; read is one picture [1, 3, h, w]"
            )
        if all(isinstance(side, int) for side in sides):
            size = int(sides[1]), int(sides[0])
            if wanted not in (None, size):
                raise RegistryError(f"onnx:{self._path} takes {size[0]} x {size[1]} px, not {wanted}")
            return size
        if wanted is None:
            raise RegistryError(
                f"onnx:{self._path} takes {list(self._input.shape)}, which leaves its size open: say it, as in "
                f"onnx:{self._path}#tensor?size=640x384"
            )
        return wanted


def _loaded(graph: Graph, wanted: Sequence[str]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised; its log would only say it twice
    # Its threads would wait for each other busily, and take the processor from those that read the next clips.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Weights may lie in files beside it, which bytes do not know.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(graph.path.parent))
    try:
        more = graph.with_outputs([name for name in wanted if name not in graph.outputs])
        return onnxruntime.InferenceSession(more, options, providers=["CPUExecutionProvider"])
    # onnxruntime raises a class of its own for each way in which a file can be wrong.
    except Exception as error:
        raise RegistryError(f"{graph.path} is no usable ONNX model: {str(error).splitlines()[0]}") from error
