"""The checkpoints: named arrays and plain values in one safetensors file, with a checksum of the content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from gnn_discovery.errors import DataError
from gnn_discovery.runs.files import to_json_text, write_bytes


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any] | None = None) -> None:
    """Write a checkpoint, atomically.

    Args:
        path: the file.
        arrays: arrays by name.
        meta: values that JSON can hold.
    """
    from safetensors.numpy import save

    # ascontiguousarray turns a scalar into a vector
    contiguous = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    header = {"meta": to_json_text(meta or {}, indent=None), "sha256": _digest(contiguous)}
    write_bytes(path, save(contiguous, header))


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays and the plain values of a checkpoint.

    Raises:
        DataError: the file is missing, no checkpoint, or damaged (the checksum does not match).
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"it is no checkpoint that can be read ({error})", where=str(path), remedy="Delete it and resume"
        ) from error
    if meta.get("sha256") != _digest(arrays):
        raise DataError("it is damaged (its checksum does not match)", where=str(path), remedy="Delete it and resume")
    return arrays, json.loads(meta["meta"])


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the checksum of names, types, shapes and contents."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
