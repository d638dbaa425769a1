"""What somebody's code says when it fails."""

from __future__ import annotations

import traceback
from pathlib import Path

from gnn_discovery.errors import GnnDiscoveryError

USER_CODE_ERRORS = (Exception, SystemExit)
"""Somebody's code may fail in any way, and may even try to end the program."""

_OURS = Path(__file__).parents[1]


def describe_error(error: BaseException) -> str:
    """The error in words, with the last line of somebody's own code on the way to it."""
    if isinstance(error, GnnDiscoveryError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _own(Path(f.filename))]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _own(file: Path) -> bool:
    """Whether a file is neither of this package, nor of Python, nor installed."""
    return file.is_file() and _OURS not in file.parents and not {"site-packages", "lib"} & set(file.parts)
