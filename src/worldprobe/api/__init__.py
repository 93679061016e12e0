"""Probe arrays of any embeddings: the probes, controls and verdicts of a run, without films."""

from worldprobe.api.probing import cross_validate, probe
from worldprobe.api.report import ProbeReport
from worldprobe.probes.linear.grouped import GroupedProbe

__all__ = ["GroupedProbe", "ProbeReport", "cross_validate", "probe"]
