"""Linear systems that differ by a multiple of the identity: ridge regression at every penalty."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from worldprobe.probes.linear.lapack import tridiagonal

Floats = NDArray[np.float64]


class Shifted:
    """Solves ``(A + s I) x = b`` for many ``s`` and ``b`` after one reduction of ``A`` to three diagonals.

    ``A = Q T Q'`` with ``T`` tridiagonal (Householder 1958; LAPACK's ``sytrd``) is a fifth of the work of an
    eigendecomposition. Adding ``s`` to the diagonal of ``T`` leaves it tridiagonal, so each further strength
    costs as little as there (Elden 1977, "Algorithms for the regularization of ill-conditioned least squares
    problems", section 4).

    Args:
        matrix: symmetric, positive semi-definite, float64 [m, m].
    """

    def __init__(self, matrix: Floats) -> None:
        self._size = len(matrix)
        reduced, self._diagonal, self._beside, self._tau = tridiagonal(matrix)
        # The reflectors stand below the first subdiagonal and leave the first row alone.
        self._reflectors = np.asfortranarray(reduced[1:, :-1])
        self._turning = threading.Lock()

    def solve(self, right: Floats, shifts: Sequence[float]) -> list[Floats]:
        """Solutions [m, k] for right sides [m, k], one for each shift.

        Raises:
            numpy.linalg.LinAlgError: a shift so small beside the matrix that rounding makes it indefinite.
        """
        solved = self.solve_turned(right, shifts)
        return np.split(self.turn(np.concatenate(solved, axis=1), back=True), len(solved), axis=1)

    def solve_turned(self, right: Floats, shifts: Sequence[float]) -> list[Floats]:
        """``Q'`` times what ``solve`` gives: for those who turn the other factor of a product, if that is less."""
        return [one.T for one in self.solve_rows(self.turn(right).T, shifts)]

    def solve_rows(self, turned: Floats, shifts: Sequence[float]) -> Floats:
        """Rows [k, m] that are multiplied by ``Q`` already, solved for at each shift: float64 [shifts, k, m].

        Raises:
            numpy.linalg.LinAlgError: as ``solve``.
        """
        from scipy.linalg import lapack

        count, few = len(shifts), len(turned)
        if self._size == 1:  # LAPACK's wrapper wants something beside the diagonal
            return np.asarray(turned / (self._diagonal + np.asarray(shifts))[:, None, None])
        # The systems of all shifts stand one after the other in a longer one, with nothing between them.
        diagonal = (self._diagonal + np.asarray(shifts, dtype=np.float64)[:, None]).ravel()
        beside = np.zeros((count, self._size))
        beside[:, :-1] = self._beside
        right = np.tile(turned, (1, count)).T
        *_, found, failed = lapack.dptsv(
            diagonal, beside.ravel()[:-1], right, overwrite_d=1, overwrite_e=1, overwrite_b=1
        )
        if failed > 0:
            raise np.linalg.LinAlgError(
                f"rounding makes the system at shift {(failed - 1) // self._size} indefinite"
            )
        return np.asarray(found.T.reshape(few, count, self._size).transpose(1, 0, 2))

    @property
    def diagonals(self) -> tuple[Floats, Floats]:
        """Of ``T``: its diagonal [m], and what is beside that [m - 1]."""
        return self._diagonal, self._beside

    def basis(self) -> NDArray[np.float32]:
        """``Q`` itself, float32 [m, m]."""
        from scipy.linalg import lapack

        found = np.zeros((self._size, self._size), dtype=np.float32)
        found[0, 0] = 1.0
        if self._size > 1:
            q, _, failed = lapack.sorgqr(
                self._reflectors.astype(np.float32),
                self._tau.astype(np.float32),
                lwork=64 * self._size,
                overwrite_a=1,
            )
            assert not failed, f"sorgqr refused argument {-failed}"
            found[1:, 1:] = q
        return found

    def turn(self, columns: Floats, *, back: bool = False) -> Floats:
        """``Q'`` times columns [m, k], or ``Q`` to turn back."""
        from scipy.linalg import lapack

        if self._size == 1:
            return columns
        rest = np.asfortranarray(columns[1:])
        # LAPACK writes into the reflectors while it applies them, and the wrapper lets other threads go on.
        with self._turning:
            turned, _, failed = lapack.dormqr(
                "L", "N" if back else "T", self._reflectors, self._tau, rest, lwork=64 * rest.shape[1]
            )
        assert not failed, f"dormqr refused argument {-failed}"
        return np.concatenate([columns[:1], turned])
