"""Reading images: each format, and what is refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad.data import read_image
from minigrad.errors import FormatError
from minigrad.typing import Array

# Few levels, so that neighbours are often equally near to what a PNG filter guesses.
PIXELS = (np.random.default_rng(0).integers(0, 6, (60, 21)) * 51).astype(np.uint8)
TWICE = (PIXELS * np.uint16(2)).astype(">u2")


def png(pixels: Array, *, header: bytes = bytes((8, 0, 0, 0, 0))) -> bytes:
    """Write a PNG file that uses each of the five filters in turn."""
    height, width = pixels.shape
    wide = pixels.astype(int)
    left = np.pad(wide, ((0, 0), (1, 0)))[:, :-1]
    up = np.pad(wide, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(wide, ((1, 0), (1, 0)))[:-1, :-1]
    guess = left + up - corner
    distances = np.abs(guess - np.stack([left, up, corner]))
    paeth = np.choose(np.argmin(distances, axis=0), [left, up, corner])
    filters = [0 * wide, left, up, (left + up) // 2, paeth]
    rows = b"".join(
        bytes([y % 5]) + ((wide[y] - filters[y % 5][y]) % 256).astype(np.uint8).tobytes()
        for y in range(height)
    )

    packed = zlib.compress(rows)
    return png_of(
        (b"IHDR", struct.pack(">II", width, height) + header),
        (b"IDAT", packed[:7]),
        (b"IDAT", packed[7:]),
        (b"IEND", b""),
    )


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    """Write a PNG file with these chunks, right or wrong."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def header_of(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">II", width, height) + bytes((8, 0, 0, 0, 0))


def short(value: object) -> str | None:
    return value.decode("ascii", "replace")[:12] if isinstance(value, bytes) else None


def as_text(values: Array, separator: str = " ") -> bytes:
    return "\n".join(separator.join(map(str, row)) for row in values.tolist()).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.png", png(PIXELS)),
        ("a.PNG", png(PIXELS)),
        ("a.pgm", b"P5 21 60\n255\n" + PIXELS.tobytes()),
        (
            "a.pgm",
            b"P5\n# made by hand\n21 60 510\n" + TWICE.tobytes(),
        ),
        ("a.pgm", b"P2\n21 60\n255\n" + as_text(PIXELS)),
        ("a.txt", as_text(PIXELS)),
        ("a.csv", as_text(PIXELS, ", ")),
        ("a.csv", as_text(PIXELS / 255)),
    ],
    ids=short,
)
def test_formats(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    image = read_image(path)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, (PIXELS / 255).astype(np.float32))


def test_whole_numbers_count_levels(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([[0, 16], [4, 8]]))
    assert read_image(path, levels=16).tolist() == [[0.0, 1.0], [0.25, 0.5]]
    np.save(path, np.array([[0.0, 1.0], [0.25, 0.5]]))
    assert read_image(path, levels=16).tolist() == [[0.0, 1.0], [0.25, 0.5]]


def broken_checksum() -> bytes:
    content = bytearray(png(PIXELS))
    content[45] ^= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jpg", b"", "ends in .npy, .txt, .csv, .pgm, .png, got '.jpg'"),
        ("a.png", b"GIF89a", "expected a PNG file"),
        ("a.png", png(PIXELS)[:60], "truncated"),
        ("a.png", broken_checksum(), "checksum"),
        ("a.png", png(PIXELS, header=bytes((8, 2, 0, 0, 0))), "8-bit grey.*colour type 2"),
        ("a.png", png(PIXELS, header=bytes((8, 0, 0, 0, 1))), "interlacing 1"),
        ("a.png", png_of((b"IEND", b"")), "must start with its header"),
        ("a.png", png_of((b"IHDR", b"short")), "must start with its header"),
        ("a.png", png_of(), "must start with its header"),
        ("a.png", png_of(header_of(0, 3)), "expected 1 to [0-9]+ pixels, got 0 x 3"),
        ("a.png", png_of(header_of(1 << 16, 1 << 16)), "pixels, got 65536 x 65536"),
        ("a.png", png_of(header_of(1, 1), (b"IDAT", b"junk")), "the PNG file is damaged: "),
        (
            "a.png",
            png_of(header_of(2, 1), (b"IDAT", zlib.compress(b"\0\1"))),
            "truncated: 2 of 3 bytes of pixels",
        ),
        (
            "a.png",
            png_of(header_of(1, 1), (b"IDAT", zlib.compress(b"\5\1"))),
            "there is no filter 5",
        ),
        ("a.png", png(PIXELS)[:25], "the PNG file is truncated"),
        ("a.pgm", b"P6 5 6 255\n", "expected a PGM file"),
        ("a.pgm", b"P5 5 6 255\nabc", "truncated: expected 30 pixels, got 3"),
        ("a.pgm", b"P5 5 6 0\n", "maximum of a PGM file"),
        ("a.pgm", b"P2 1 1 255\n300", "from 0 to 255, got 300"),
        ("a.txt", b"1 2\n3", r"as many numbers each, got \[2, 1\]"),
        ("a.txt", b"", "as many numbers each"),
        ("a.txt", b"1 x", "a.txt: "),
        ("a.txt", b"0.5 1.5", "with a decimal point must be from 0 to 1, got 0.5 to 1.5"),
        ("a.txt", b"0.5 nan", "must be from 0 to 1"),
        ("a.txt", b"-1 3", "whole numbers must be from 0 to 255, got -1 to 3"),
        ("a.npy", b"junk", "a.npy: "),
    ],
    ids=short,
)
def test_refused(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message):
        read_image(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((2, 3, 4)), r"one grey image \(H, W\), got shape \(2, 3, 4\)"),
        (np.zeros((0, 3)), "one grey image"),
        (np.array([["a"]]), "an array of numbers"),
        (np.array([[None]]), "a.npy: "),  # would need pickle
    ],
)
def test_refused_arrays(array: Any, message: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(FormatError, match=message):
        read_image(tmp_path / "a.npy")


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_image(tmp_path / "a.png")
