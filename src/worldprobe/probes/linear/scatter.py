"""How many rows, where their middle is, and how they scatter around it: all that a linear fit has to know.

Sets are added and taken away by the pairwise update of Chan, Golub and LeVeque (1983, "Algorithms for computing
the sample variance", eq. 2.1), which never holds the large sums of squares whose difference loses the digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Rows are added up in pieces, and these to one another: whoever adds pieces up elsewhere gets the same last digits.
PIECE = 65_536
# Rows of float32 are turned to float64 this many at a time.
_CHUNK = 4096
# A sum of squares below this share of what it was before rows were taken away is rounding.
_ROUNDING = 1e-11


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """Row count, column means [d], and the sum of outer products around them [d, d], in float64."""

    count: int
    mean: Floats
    matrix: Floats

    @classmethod
    def none(cls, columns: int) -> Scatter:
        """Of no rows."""
        return cls(0, np.zeros(columns), np.zeros((columns, columns)))

    @classmethod
    def of(cls, *columns: NDArray[np.floating]) -> Scatter:
        """Of rows given as blocks of columns, [n, d1], [n, d2], ... side by side."""
        result = cls.none(sum(block.shape[1] for block in columns))
        for start in range(0, len(columns[0]), PIECE):
            result += cls._of_piece([block[start : start + PIECE] for block in columns])
        return result

    @classmethod
    def _of_piece(cls, columns: Sequence[NDArray[np.floating]]) -> Scatter:
        result = cls.none(sum(block.shape[1] for block in columns))
        for start in range(0, len(columns[0]), _CHUNK):
            rows = np.concatenate([b[start : start + _CHUNK] for b in columns], axis=1, dtype=np.float64)
            mean = rows.mean(axis=0)
            rows -= mean
            result += cls(len(rows), mean, rows.T @ rows)
        return result

    def __add__(self, other: Scatter) -> Scatter:
        """Of the rows of both."""
        count = self.count + other.count
        if not self.count or not other.count:
            return self if self.count else other
        apart = other.mean - self.mean
        between = np.multiply.outer(apart * (self.count * other.count / count), apart)
        between += self.matrix
        between += other.matrix
        return Scatter(count, self.mean + apart * (other.count / count), between)

    def __sub__(self, part: Scatter) -> Scatter:
        """Of the rows that are not in ``part``, whose rows must all be here."""
        count = self.count - part.count
        assert count >= 0, "cannot take away more rows than there are"
        if not count or not part.count:
            return self if count else Scatter.none(len(self.mean))
        apart = (part.mean - self.mean) * (self.count / count)
        between = np.multiply.outer(apart * (-part.count * count / self.count), apart)
        between += self.matrix
        between -= part.matrix
        # What varied only in the rows taken away leaves rounding, which standardising would blow up.
        still = np.diag(between) <= _ROUNDING * np.diag(self.matrix)
        between[still], between[:, still] = 0.0, 0.0
        return Scatter(count, part.mean - apart, between)
