"""The reading and writing of files: each is whole or absent, and JSON holds no NaN."""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError, StorageError


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn errors of the disk into a ``StorageError`` that names the path and a remedy."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            remedy="Free some space or give another directory with --out",
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it holds the old content or the new, and never a part: write beside it, sync, rename.

    Args:
        path: the file.
        content: its new content.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write records, arrays and plain values as JSON, atomically.

    Args:
        path: the file.
        value: the value, see `to_json_values`.
    """
    write_bytes(path, (to_json_text(value) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        DataError: the file is missing, unreadable or no JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"is no JSON file ({error})", where=str(path), remedy="It may be damaged; make it anew"
        ) from error


def read_text(path: Path) -> str:
    """Return the content of a text file.

    Raises:
        DataError: the file is missing, unreadable or no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is no text file ({error})", where=str(path)) from error


def to_json_text(value: Any, indent: int | None = 2) -> str:
    """Return a value as JSON text.

    Args:
        value: the value, see `to_json_values`.
        indent: the number of spaces of each level; None writes one line.
    """
    return json.dumps(to_json_values(value), indent=indent, allow_nan=False, ensure_ascii=False)


def to_json_values(value: Any) -> Any:
    """Return records, mappings, sequences and NumPy values as what JSON can hold; infinities and NaN become None."""
    if is_dataclass(value) and not isinstance(value, type):
        return to_json_values(asdict(value))
    if isinstance(value, Mapping):
        return {str(k): to_json_values(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return to_json_values(value.tolist())
    if isinstance(value, np.generic):
        return to_json_values(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Sequence | set | frozenset):
        return [to_json_values(v) for v in value]
    return str(value)
