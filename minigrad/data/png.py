"""Reading grey PNG files: https://www.w3.org/TR/png-3/, sections 5 (chunks) and 9 (filters)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

from minigrad.errors import FormatError
from minigrad.typing import Array

__all__ = ["read_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_MAX_PIXELS = 1 << 26
_ONLY = "expected 8-bit grey without interlacing and alpha"


def read_png(data: bytes) -> Array:
    """Return the pixels of an 8-bit grey PNG file.

    Parameters
    ----------
    data : bytes
        The content of the file.

    Returns
    -------
    ndarray, shape (H, W), uint8

    Raises
    ------
    FormatError
        If it is truncated, damaged, no PNG file, or one of another kind.
    """
    if not data.startswith(_SIGNATURE):
        raise FormatError("expected a PNG file; this one does not start as they do")
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise FormatError("a PNG file must start with its header")
    width, height, depth, colour, *methods = struct.unpack(">IIBBBBB", chunks[0][1])
    if (depth, colour, methods) != (8, 0, [0, 0, 0]):
        raise FormatError(
            f"{_ONLY}, got {depth} bits, colour type {colour}, interlacing {methods[2]}; convert it"
        )
    if not 0 < width * height <= _MAX_PIXELS:
        raise FormatError(f"expected 1 to {_MAX_PIXELS} pixels, got {width} x {height}")
    size = (width + 1) * height
    try:
        packed = b"".join(content for kind, content in chunks if kind == b"IDAT")
        raw = zlib.decompressobj().decompress(packed, size)
    except zlib.error as error:
        raise FormatError(f"the PNG file is damaged: {error}") from error
    if len(raw) < size:
        raise FormatError(f"the PNG file is truncated: {len(raw)} of {size} bytes of pixels")
    return _unfilter(raw, width, height)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of each chunk."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 8 + length
        if end + 4 > len(data):
            raise FormatError("the PNG file is truncated")
        if zlib.crc32(data[position + 4 : end]) != struct.unpack_from(">I", data, end)[0]:
            raise FormatError("the PNG file is damaged: a checksum does not match")
        yield data[position + 4 : position + 8], data[position + 8 : end]
        position = end + 4


def _unfilter(raw: bytes, width: int, height: int) -> Array:
    """Undo the filter of each row; the first byte of a row names it."""
    pixels = np.zeros((height, width), dtype=np.uint8)
    above = [0] * width
    for y in range(height):
        start = y * (width + 1)
        kind, row = raw[start], list(raw[start + 1 : start + 1 + width])
        if kind > 4:
            raise FormatError(f"the PNG file is damaged: there is no filter {kind}")
        for x in range(width):
            left = row[x - 1] if x else 0
            corner = above[x - 1] if x else 0
            up = above[x]
            guess = (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]
            row[x] = (row[x] + guess) % 256
        pixels[y] = above = row
    return pixels


def _paeth(left: int, up: int, corner: int) -> int:
    """Return the neighbour that is nearest to ``left + up - corner``; ties go in this order."""
    guess = left + up - corner
    return min(left, up, corner, key=lambda neighbour: abs(guess - neighbour))
