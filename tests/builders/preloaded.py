"""What commands import sooner or later, for the server that forks processes (tests/builders/forked.py)."""

import contextlib
import gc
import importlib

for _name in (
    "matplotlib.backends.backend_agg", "matplotlib.figure", "polars", "scipy.optimize", "scipy.stats", "sklearn",
    "torch", "torch._dynamo", "torchmetrics.functional.image", "transformers.models.vjepa2.modeling_vjepa2", "zarr",
    "tests.builders.killing", "worldprobe.cli", "worldprobe.decoders.cnn", "worldprobe.decoders.training",
    "worldprobe.encoders.vjepa2", "worldprobe.pipeline.compare", "worldprobe.pipeline.label.preview",
    "worldprobe.pipeline.run", "worldprobe.probes.linear.logistic", "worldprobe.probes.linear.ridge",
    "worldprobe.report.forms.terminal", "worldprobe.report.write", "worldprobe.video.films",
):  # fmt: skip
    importlib.import_module(_name)

# Stores on s3:// ask for it, where the extra is installed.
with contextlib.suppress(ImportError):
    importlib.import_module("s3fs")

# A collection in a forked process would look at all of this again, and copy every page of it.
gc.collect()
gc.freeze()
