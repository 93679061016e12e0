"""Errors that a user can act on."""

# How torch says that memory is full, beside its OutOfMemoryError: on a CPU; CUDA itself, of kernels' memory and
# pinned memory; and its libraries, which take some of their own.
_OUT_OF_MEMORY = (
    "DefaultCPUAllocator: ", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED"
)  # fmt: skip


class WorldprobeError(Exception):
    """Something the user asked for cannot be done.

    The message says what was asked, what was found, and what to do; the command line prints it
    without a traceback. Our own mistakes are assertions, not this.
    """


def out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch's, or what its compiler wraps that in, says that memory is full."""
    if type(error).__name__ == "OutOfMemoryError":  # torch need not be loaded to say it
        return True
    return isinstance(error, RuntimeError) and any(one in str(error) for one in _OUT_OF_MEMORY)


def in_words(error: Exception) -> str:
    """What an error says, for a message: a bare key is no sentence, and some say nothing at all."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}" if error.args else "it lacks a key"
    return str(error).strip() or type(error).__name__


class VideoError(WorldprobeError):
    """A video cannot be read, or not in the way that was asked."""


class EncoderError(WorldprobeError):
    """An encoder of a third party does not keep what ``protocols.Encoder`` promises, or fails."""


class LabelError(WorldprobeError):
    """A label file is malformed, or speaks of another video."""


class StoreError(WorldprobeError):
    """Embeddings are missing from the store, or are damaged."""


class ProbeError(WorldprobeError):
    """The examples do not allow the probe that was asked for."""


class PredictionError(WorldprobeError):
    """The future cannot be predicted in the way that was asked."""


class DecoderError(WorldprobeError):
    """A decoder cannot be trained on these embeddings, or its weights do not fit them."""


class RegistryError(WorldprobeError):
    """No such encoder, labeller or probe, or it is broken."""


class CompareError(WorldprobeError):
    """Runs differ in what must be the same for their scores to be set beside each other."""


class ConfigError(WorldprobeError):
    """An experiment file or an option says something that cannot be."""


class NoClassToken(ConfigError):
    """Class tokens were asked of an encoder that has none."""


class WriteError(WorldprobeError, OSError):
    """A file cannot be written: no space, no permission, no such place."""
