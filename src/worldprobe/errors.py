"""Errors that a user can act on."""


class WorldprobeError(Exception):
    """Something the user asked for cannot be done.

    The message says what was asked, what was found, and what to do; the command line prints it
    without a traceback. Our own mistakes are assertions, not this.
    """


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
