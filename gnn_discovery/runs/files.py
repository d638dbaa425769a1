"""Files that are whole or absent: written beside, synced, then renamed. JSON without NaN."""

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
    """Turns the errors of the disk into ``StorageError``, with the path and what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"cannot be written ({error.strerror or error})",
            where=str(path),
            remedy="Free some space or give another directory with --out",
        ) from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write so that ``path`` holds the old content or the new, never a part."""
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
    """Write records, arrays and plain values as JSON, atomically."""
    write_bytes(path, (to_json_text(value) + "\n").encode())


def read_json(path: Path) -> Any:
    """The value of a JSON file that this software wrote.

    Raises:
        DataError: missing, unreadable or no JSON.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"is no JSON file ({error})", where=str(path), remedy="It may be damaged; make it anew"
        ) from error


def read_text(path: Path) -> str:
    """The content of a text file.

    Raises:
        DataError: missing, unreadable or no text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=str(path)) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is no text file ({error})", where=str(path)) from error


def to_json_text(value: Any, indent: int | None = 2) -> str:
    """JSON text of ``value``; a number that is not finite is an error of ours, so it raises."""
    return json.dumps(to_json_values(value), indent=indent, allow_nan=False, ensure_ascii=False)


def to_json_values(value: Any) -> Any:
    """Records, mappings, sequences and NumPy values as what JSON knows; infinities and NaN become None."""
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
