"""Is it there? A test by groups, beside the score that says how well it is read.

A score asks for the size of each prediction to be right; whether features hold a target at all is a smaller
question, which needs fewer groups. Each group's rows add up ``(y - constant) (prediction - constant)``, and these
sums are held against their own scatter: the sign-symmetric z of Fisher's randomisation test, one-sided.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.metrics import varying

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# A one-sided test at 2.5 %: so many of 4,700 simulated targets that had nothing to do with the features exceeded it
# (20 to 200 groups, 16 and 192 columns). It is more than the 1.96 of independent sums: what two groups share is in
# the sums of both, since each is predicted by what was learnt from the other.
LEAST_Z = 2.33


def group_z(target: Floats, prediction: Floats, constant: Floats, unit: Ints, *, blocks: int = 1) -> Floats:
    """How far predictions go along with the target from group to group, in standard errors, [blocks].

    Args:
        target, prediction, constant: [n, k]: ``blocks`` targets side by side; a column counts in units of its
            variance.
        unit: what was held out together, int64 [n].

    Returns:
        0 where nothing was predicted but the constant.
    """
    varies = varying(target)
    variance = np.where(varies, target.var(axis=0), 1.0)
    rows = (target - constant) * (prediction - constant) / variance * varies
    _, code = np.unique(unit, return_inverse=True)
    sums = np.zeros((code.max(initial=-1) + 1, blocks))
    np.add.at(sums, code, rows.reshape(len(rows), blocks, -1).sum(axis=2))
    scatter = np.sqrt((sums**2).sum(axis=0))
    return np.asarray(np.where(scatter > 0, sums.sum(axis=0) / np.where(scatter > 0, scatter, 1.0), 0.0))


def indicators(codes: Ints, classes: int) -> Floats:
    """Class indices [n] as a column of 0 and 1 for each class: float64 [n, classes]."""
    return np.eye(classes)[codes]
