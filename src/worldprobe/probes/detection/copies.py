"""The same pictures under two names: groups that a split keeps apart, and that are not apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
# The cosine, less the mean picture, from which two moments are the same picture.
ALIKE = 0.999
# A group is a copy where so many of its moments are in one other group: chance meetings are fewer.
_LEAST_SHARE = 0.5
# Of a group so many pictures are compared, fewer where there are many groups: products grow as the square.
_MOST_OF_GROUP, MOST_ROWS = 64, 20_000
_BLOCK = 256


def near_copies(pictures: NDArray[np.float32], group: Ints) -> Ints:
    """Find groups at least half of whose pictures are in another group too.

    Pictures are compared less the mean of all, and have to be as strong as each other too: what one camera always
    sees, or one light over it, makes no copies. Of each group as many as 64 are compared, of all as many as 20,000.

    Args:
        pictures: small pictures side by side, float32 [n, d].
        group: int64 [n].

    Returns:
        Such a group and the one that holds most of it, int64 [copies, 2].
    """
    names, code = np.unique(group, return_inverse=True)
    chosen, code = _thinned(code)
    rows = pictures[chosen] - pictures.mean(axis=0)
    size = np.linalg.norm(rows, axis=1)
    rows /= np.where(size > 0, size, 1.0)[:, None]
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    share = np.zeros(len(names))
    partner = np.zeros(len(names), dtype=np.int64)
    for first in range(0, len(starts), _BLOCK // 8):
        own = starts[first : first + _BLOCK // 8]
        here = slice(own[0], starts[first + len(own)] if first + len(own) < len(starts) else len(rows))
        one, other = np.nonzero(rows[here] @ rows.T >= ALIKE)
        one += here.start
        # Of the same strength as well: |a - b|^2 is no larger than at this cosine.
        alike = (size[one] - size[other]) ** 2 <= 2 * (1 - ALIKE) * size[one] * size[other]
        apart = alike & (code[one] != code[other])
        # Each picture once for each group that has its like.
        met = np.unique(np.stack((code[one[apart]], code[other[apart]], one[apart])), axis=1)[:2]
        pairs, times = np.unique(met, axis=1, return_counts=True)
        found = times / np.bincount(code, minlength=len(names))[pairs[0]]
        for (mine, theirs), part in zip(pairs.T.tolist(), found.tolist(), strict=True):
            if part > share[mine]:
                share[mine], partner[mine] = part, theirs
    copies = np.flatnonzero(share >= _LEAST_SHARE)
    return np.stack((names[copies], names[partner[copies]]), axis=1)


def _thinned(code: Ints) -> tuple[Ints, Ints]:
    """Take as many rows of each group [n] as may be compared, evenly, group by group: rows, and their groups."""
    counts = np.bincount(code)
    most = min(max(MOST_ROWS // len(counts), 1), _MOST_OF_GROUP)
    order = np.argsort(code, kind="stable")
    starts = np.cumsum(counts) - counts
    taken = [
        order[start + np.arange(min(many, most)) * many // min(many, most)]
        for start, many in zip(starts.tolist(), counts.tolist(), strict=True)
    ]
    chosen = np.concatenate(taken)[:MOST_ROWS]
    return chosen, code[chosen]
