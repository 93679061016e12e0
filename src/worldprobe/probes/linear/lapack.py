"""LAPACK's longest works on a symmetric matrix, during which other threads go on.

SciPy's wrappers of these hold the interpreter until they are done, so that two decompositions side by side are one
after the other. SciPy also gives the routines themselves to compiled code (``scipy.linalg.cython_lapack``), and
ctypes lets go of the interpreter while it calls them.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def tridiagonal(matrix: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Reduce a symmetric matrix [m, m], m > 1, of which the lower half is read, to three diagonals (``dsytrd``).

    Returns:
        The reflectors as ``dsytrd`` leaves them [m, m], the diagonal [m], what is beside it [m - 1], and the
        reflectors' factors [m - 1].
    """
    from scipy.linalg import lapack

    size = len(matrix)
    reduced = np.array(matrix, dtype=np.float64, order="F")
    lwork = int(lapack.dsytrd_lwork(size, lower=1)[0])
    routine = _routine("dsytrd", "cididdddii")
    if routine is None:
        found = lapack.dsytrd(reduced, lower=1, lwork=lwork, overwrite_a=1)
        assert not found[4], f"dsytrd refused argument {-found[4]}"
        return found[:4]  # type: ignore[no-any-return]
    diagonal, beside, factors = np.empty(size), np.empty(size - 1), np.empty(size - 1)
    failed = routine("L", size, reduced, size, diagonal, beside, factors, np.empty(lwork), lwork)
    assert not failed, f"dsytrd refused argument {-failed}"
    return reduced, diagonal, beside, factors


def solve_positive(matrix: Floats, right: Floats) -> Floats:
    """Solve ``matrix x = right`` for a positive definite matrix [m, m], which is overwritten: float64 [m, k].

    Raises:
        numpy.linalg.LinAlgError: it is not positive definite.
    """
    routine, size, columns = _routine("dposv", "ciididii"), len(matrix), right.shape[1]
    if routine is None:
        from scipy.linalg import solve

        return np.asarray(solve(matrix, right, assume_a="pos", overwrite_a=True, check_finite=False))
    # The transpose of a symmetric matrix in C's order is the matrix in Fortran's.
    own = matrix.T if matrix.flags.c_contiguous else np.asfortranarray(matrix)
    found = np.array(right, dtype=np.float64, order="F")
    failed = routine("L", size, columns, own, size, found, size)
    assert failed >= 0, f"dposv refused argument {-failed}"
    if failed:
        raise np.linalg.LinAlgError(f"not positive definite: the leading minor of order {failed}")
    return found


@lru_cache(maxsize=8)
def _routine(name: str, arguments: str) -> Callable[..., int] | None:
    """A routine of LAPACK that takes these arguments and returns its last, ``info``; None where it is another.

    Args:
        arguments: a letter each: a character, an integer, an array of doubles.
    """
    from scipy.linalg import cython_lapack

    capsule = getattr(cython_lapack, "__pyx_capi__", {}).get(name)
    if capsule is None:
        return None
    api = ctypes.pythonapi
    get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", api))
    get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", api)
    )
    # As Cython writes it: "void (char *, int *, __pyx_t_..._d *, ...)". Builds with integers of 64 bits differ.
    signature = get_name(capsule)
    said = [part.strip() for part in signature.decode().partition("(")[2].rstrip(")").split(",")]
    if [_letter(part) for part in said] != list(arguments):
        return None
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * len(arguments))(get_pointer(capsule, signature))

    def call(*given: Any) -> int:
        kept = [_held(one) for one in (*given, 0)]
        function(*(ctypes.addressof(one) if not isinstance(one, np.ndarray) else one.ctypes.data for one in kept))
        return int(kept[-1].value)

    return call


def _letter(said: str) -> str:
    """Which kind of argument a type in C is; "" of another."""
    known = {"char *": "c", "int *": "i"}
    return known.get(said, "d" if said.endswith("_d *") or said == "double *" else "")


def _held(value: Any) -> Any:
    """What an argument is passed by the address of."""
    if isinstance(value, str):
        return ctypes.create_string_buffer(value.encode())
    return ctypes.c_int(value) if isinstance(value, int) else value
