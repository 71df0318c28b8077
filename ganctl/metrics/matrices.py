"""Samples as rows of a matrix: what is accepted, and how to go through it without a copy of the whole."""

import warnings
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

ROWS = 4096  # rows that are in float64 at once


def rows_of(values: Any, name: str, least: int = 1) -> Tensor:
    """`values` as a matrix on the CPU, one row a sample, in its own dtype and, where it can be, without a copy.

    Args:
        values: [N, D], anything that torch can read.
        name: what to call it in an error.
        least: rows that it must have.

    Raises:
        ValueError: it is no matrix, has too few rows or columns, or holds a number that is not finite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of arrays that are read-only; nothing here writes
        matrix = torch.as_tensor(values).detach().cpu()
    if matrix.ndim != 2 or len(matrix) < least or matrix.shape[1] < 1:
        raise ValueError(f"{name}: has shape {tuple(matrix.shape)}; give [N, D] with N at least {least}")
    if not all(bool(part.isfinite().all()) for part in matrix.split(ROWS)):
        raise ValueError(f"{name}: holds numbers that are not finite; a generator that diverged has no features")
    return matrix


def pair_of(real: Any, fake: Any, least: int = 1, names: tuple[str, str] = ("real", "fake")) -> tuple[Tensor, Tensor]:
    """Both as `rows_of` gives them, which calls them by their `names`.

    Raises:
        ValueError: as there, or they have different numbers of columns.
    """
    first, second = rows_of(real, names[0], least), rows_of(fake, names[1], least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[0]} has {first.shape[1]} features and {names[1]} {second.shape[1]}; give both from one network"
        )
    return first, second


def blocks(matrix: Tensor, size: int = ROWS) -> Iterator[Tensor]:
    """The rows in float64, `size` at a time."""
    for start in range(0, len(matrix), size):
        yield matrix[start : start + size].double()
