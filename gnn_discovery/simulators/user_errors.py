"""The description of errors that a user's own code raises."""

from __future__ import annotations

import traceback
from pathlib import Path

from gnn_discovery.errors import GnnDiscoveryError

USER_CODE_ERRORS = (Exception, SystemExit)
"""The errors that a user's code may raise; it may even try to end the program."""

_PACKAGE = Path(__file__).parents[1]


def describe_error(error: BaseException) -> str:
    """Return the type and text of an error, and the last line of the user's own code that led to it."""
    if isinstance(error, GnnDiscoveryError):
        return str(error)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_user_code(Path(f.filename))]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


def _is_user_code(file: Path) -> bool:
    """Tell whether a file belongs neither to this package, nor to Python, nor to an installed package."""
    return file.is_file() and _PACKAGE not in file.parents and not {"site-packages", "lib"} & set(file.parts)
