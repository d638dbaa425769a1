"""Checkpoints: named arrays and their description in one safetensors file, with a checksum of the content."""

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
    """Write ``arrays`` by name and ``meta`` (what JSON knows) atomically."""
    from safetensors.numpy import save

    # ascontiguousarray makes a vector of a scalar
    whole = {name: np.ascontiguousarray(array).reshape(np.shape(array)) for name, array in arrays.items()}
    write_bytes(path, save(whole, {"meta": to_json_text(meta or {}, indent=None), "sha256": _digest(whole)}))


def load_arrays(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the description of them.

    Raises:
        DataError: missing, no checkpoint, or damaged (the checksum does not fit).
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            meta = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"is no checkpoint that can be read ({error})", where=str(path), remedy="Delete it and resume"
        ) from error
    if meta.get("sha256") != _digest(arrays):
        raise DataError("is damaged (checksum)", where=str(path), remedy="Delete it and resume")
    return arrays, json.loads(meta["meta"])


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
