"""Samples as the rows of a matrix: checks of the input, and iteration in blocks without a copy of the whole."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

ROWS = 4096  # rows that are converted to float64 at a time


def rows_of(values: Any, name: str, least: int = 1) -> Tensor:
    """`values` as a matrix on the CPU, one row per sample, in its own dtype and without a copy if possible.

    Args:
        values: [N, D], anything that torch can convert.
        name: name of the values for error messages.
        least: smallest number of rows.

    Raises:
        ValueError: the values are not a matrix, have too few rows or columns, or contain a number that is not finite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns about read-only arrays; nothing here writes
        matrix = torch.as_tensor(values).detach().cpu()
    if matrix.ndim != 2 or len(matrix) < least or matrix.shape[1] < 1:
        raise ValueError(f"{name}: has shape {tuple(matrix.shape)}; give [N, D] with N at least {least}")
    if not all(bool(part.isfinite().all()) for part in matrix.split(ROWS)):
        raise ValueError(f"{name}: holds numbers that are not finite; a generator that diverged has no features")
    return matrix


def pair_of(real: Any, fake: Any, least: int = 1, names: tuple[str, str] = ("real", "fake")) -> tuple[Tensor, Tensor]:
    """Both sets as matrices, by `rows_of`. `names` are their names for error messages.

    Raises:
        ValueError: as in `rows_of`, or the numbers of columns differ.
    """
    first, second = rows_of(real, names[0], least), rows_of(fake, names[1], least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} has {first.shape[1]} features and {names[1]} {second.shape[1]}; give both from one network"
        )
    return first, second


def blocks(matrix: Tensor, size: int = ROWS) -> Iterator[Tensor]:
    """Yields the rows in float64, `size` at a time."""
    for start in range(0, len(matrix), size):
        yield matrix[start : start + size].double()
