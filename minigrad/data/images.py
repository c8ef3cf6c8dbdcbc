"""Reading one grey image from a file, without further libraries."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.data.png import read_png
from minigrad.errors import FormatError
from minigrad.typing import Array, FloatArray

__all__ = ["READABLE", "read_image"]

READABLE = (".npy", ".txt", ".csv", ".pgm", ".png")
"""Endings of the files that `read_image` reads."""


def read_image(path: str | os.PathLike[str], *, levels: int = 255) -> FloatArray:
    """Read one grey image.

    Parameters
    ----------
    path : path
        ``.npy``; ``.txt`` or ``.csv`` (numbers separated by spaces or commas, a row a line);
        ``.pgm`` (plain or binary); ``.png`` (8-bit grey, not interlaced).
    levels : int
        What whole numbers in ``.npy`` and text files count up to: 16 for the digits.

    Returns
    -------
    ndarray, shape (H, W), float32
        From 0 to 1. Whole numbers are divided by ``levels``, pixels of ``.pgm`` and ``.png`` by
        the largest value that the file's format allows; numbers with a decimal point are taken
        as they are.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file is damaged or of another format, is not one image, or has values outside the
        range.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no such file: {path}")
    ending = path.suffix.lower()
    if ending not in READABLE:
        raise FormatError(
            f"{path}: expected a file that ends in {', '.join(READABLE)}, got {ending!r}"
        )
    values, most = _read(path, ending, levels)
    if values.ndim != 2 or values.size == 0:
        raise FormatError(f"{path}: expected one grey image (H, W), got shape {values.shape}")
    if values.dtype.kind == "f":
        most = 1
    if not (values.min() >= 0 and values.max() <= most):  # also false for NaN
        kind = "numbers with a decimal point" if values.dtype.kind == "f" else "whole numbers"
        raise FormatError(
            f"{path}: {kind} must be from 0 to {most}, got {values.min()} to {values.max()}"
        )
    image: FloatArray = values.astype(np.float32) / np.float32(most)
    return image


def _read(path: Path, ending: str, levels: int) -> tuple[Array, int]:
    """Return the numbers in a file, and what they count up to."""
    try:
        if ending == ".npy":
            return _numbers(np.load(path, allow_pickle=False)), levels
        if ending == ".png":
            return read_png(path.read_bytes()), 255
        if ending == ".pgm":
            return _read_pgm(path.read_bytes())
        return _read_text(path.read_text("utf-8")), levels
    except (ValueError, EOFError) as error:
        raise FormatError(f"{path}: {error}") from error


def _numbers(array: Any) -> Array:
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise FormatError("expected an array of numbers")
    return array


def _read_text(text: str) -> Array:
    rows = [re.split(r"[\s,;]+", line.strip().strip(",;")) for line in text.splitlines()]
    rows = [row for row in rows if row != [""]]
    if not rows or len({len(row) for row in rows}) > 1:
        raise FormatError(
            f"expected rows with as many numbers each, got {[len(row) for row in rows]}"
        )
    whole = all(re.fullmatch(r"[+-]?\d+", entry) for row in rows for entry in row)
    return np.array(rows, dtype=str).astype(np.int64 if whole else np.float64)


def _read_pgm(data: bytes) -> tuple[Array, int]:
    """Read a portable graymap: https://netpbm.sourceforge.net/doc/pgm.html."""
    separator = rb"(?:\s|#[^\n]*\n)+"
    header = re.match(
        rb"(P[25])" + separator + rb"(\d+)" + separator + rb"(\d+)" + separator + rb"(\d+)\s", data
    )
    if header is None:
        raise FormatError("expected a PGM file, which starts with P2 or P5, a size and a maximum")
    width, height, most = (int(number) for number in header.groups()[1:])
    if not 0 < most < 65536:
        raise FormatError(f"the maximum of a PGM file must be from 1 to 65535, got {most}")
    body = data[header.end() :]
    if header[1] == b"P2":
        pixels = np.array(re.sub(rb"#[^\n]*", b"", body).split(), dtype=bytes).astype(np.int64)
    else:
        dtype = np.dtype(np.uint8 if most < 256 else ">u2")
        pixels = np.frombuffer(body[: len(body) // dtype.itemsize * dtype.itemsize], dtype)
    if pixels.size < width * height:
        raise FormatError(
            f"the file is truncated: expected {width * height} pixels, got {pixels.size}"
        )
    return pixels[: width * height].reshape(height, width), most
