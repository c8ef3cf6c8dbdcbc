"""Saving and loading without pickle: one ``.npz`` file, written whole or not at all.

The file holds every array as a member of its own, and one member ``__minigrad__`` with JSON: the
format's version and the structure (dictionaries, lists, numbers, strings), in which arrays stand
by reference. Reading it can run no code.
"""

from __future__ import annotations

import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minigrad._version import __version__
from minigrad.errors import CheckpointError
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["FORMAT_VERSION", "load", "save", "write_atomically"]

FORMAT_VERSION = 1
_HEADER = "__minigrad__"
_ARRAY = "__array__"
_TENSOR = "__tensor__"
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,  # what zipfile says of a method, version or encryption that it does not know
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What NumPy, zipfile and json raise on files that are damaged or foreign."""


def write_atomically(path: str | os.PathLike[str], write: Callable[[BinaryIO], None]) -> None:
    """Write a file so that ``path`` always holds either its old content or all of the new.

    Parameters
    ----------
    path : path
        Its folder must exist.
    write : callable
        Writes to the open binary file that it is given. If it raises, ``path`` is as before.

    Raises
    ------
    OSError
        If the file cannot be written; ``path`` is as before.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {target.parent}; make it before {target.name}")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".tmp", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
        os.replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, where the system can open folders."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save(obj: Any, path: str | os.PathLike[str]) -> None:
    """Save Tensors, arrays and plain values to one file, atomically.

    Parameters
    ----------
    obj : dict, list, tuple, Tensor, ndarray, number, str, bool or None
        Nested as you like; dictionary keys are strings or integers. A ``state_dict`` is one.
    path : path
        Usually ``*.npz``. An existing file is replaced only when the new one is complete.

    Raises
    ------
    TypeError
        If something cannot be saved; the message says where it stands.
    OSError
        If the file cannot be written; an existing one is as before.

    Examples
    --------
    >>> import minigrad as mg, tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "weights.npz")
    >>> mg.save({"weight": mg.ones(2), "epoch": 3}, path)
    >>> mg.load(path)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    arrays: dict[str, Array] = {}
    structure = _encode(obj, arrays, "")
    header = json.dumps(
        {"format": "minigrad", "version": FORMAT_VERSION, "by": __version__, "data": structure}
    )
    members: dict[str, Any] = {_HEADER: np.frombuffer(header.encode(), dtype=np.uint8), **arrays}
    write_atomically(path, lambda file: np.savez(file, **members))


def load(path: str | os.PathLike[str]) -> Any:
    """Load what `save` has written.

    Parameters
    ----------
    path : path

    Returns
    -------
    object
        With Tensors where Tensors were saved, arrays where arrays were.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file, or it is a folder.
    CheckpointError
        If the file is truncated, damaged, foreign, or of a newer format.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"{os.fspath(path)} is a folder: expected a file in it")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no such file: {os.fspath(path)}")
    name = os.fspath(path)
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as members:
                foreign = f"{_HEADER}.npy" not in members.namelist()
            if foreign:
                raise CheckpointError(
                    f"{name} is not a file that minigrad has saved: expected an .npz with a "
                    f"member {_HEADER}"
                )
            file.seek(0)
            with np.load(file, allow_pickle=False) as arrays:
                header = json.loads(bytes(arrays[_HEADER]).decode())
                if header["version"] > FORMAT_VERSION:
                    raise CheckpointError(
                        f"{name} has format version {header['version']}, this minigrad "
                        f"{__version__} reads up to {FORMAT_VERSION}: use a newer minigrad"
                    )
                return _decode(header["data"], arrays)
        except CheckpointError:
            raise
        except _UNREADABLE as error:
            raise CheckpointError(
                f"{name} is truncated, damaged or not a minigrad file ({error})"
            ) from error


def _encode(value: Any, arrays: dict[str, Array], where: str) -> Any:
    """Return ``value`` as JSON can hold it, moving arrays into ``arrays``."""
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        array = value.array if isinstance(value, Tensor) else np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise TypeError(f"cannot save an array of dtype {array.dtype} at {where or 'the top'}")
        name = f"{len(arrays)}{_readable(where)}"
        arrays[name] = np.ascontiguousarray(array) if array.ndim else array
        return {_TENSOR if isinstance(value, Tensor) else _ARRAY: name}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, (str, int)):
                raise TypeError(
                    f"cannot save the key {key!r} at {where or 'the top'}: expected a str or an int"
                )
            pairs.append([key, _encode(item, arrays, f"{where}/{key}")])
        return {"__dict__": pairs}
    if isinstance(value, (list, tuple)):
        items = [_encode(item, arrays, f"{where}/{index}") for index, item in enumerate(value)]
        return {"__tuple__": items} if isinstance(value, tuple) else items
    raise TypeError(
        f"cannot save a {type(value).__name__} at {where or 'the top'}: expected Tensors, arrays, "
        "numbers, strings, None, and dicts, lists and tuples of them (such as a state_dict())"
    )


def _readable(where: str) -> str:
    """Return the part of a member's name that is for people, as every file system takes it."""
    return "".join([c if c.isalnum() or c in "._-/" else "_" for c in where])[:200]


def _decode(value: Any, arrays: Mapping[str, Array]) -> Any:
    """Return what `_encode` was given."""
    if isinstance(value, list):
        return [_decode(item, arrays) for item in value]
    if isinstance(value, dict):
        ((kind, content),) = value.items()
        if kind == _TENSOR:
            return Tensor(arrays[content])
        if kind == _ARRAY:
            return arrays[content]
        if kind == "__tuple__":
            return tuple(_decode(item, arrays) for item in content)
        return {key: _decode(item, arrays) for key, item in content}
    return value
