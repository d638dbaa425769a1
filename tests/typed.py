"""The type checker of the test suite: an int passes for a float, as PEP 484 has it."""

from collections.abc import Callable
from functools import wraps
from types import FunctionType
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))

CHECKED_CALLS = 20
"""So many calls of a function are checked in each file of tests: all of them made inner loops three times slower."""
_check_every_call = jaxtyping.jaxtyped
_calls: dict[Callable[..., Any], int] = {}


def check_first_calls() -> None:
    """Let the import hook of jaxtyping, which decorates with `jaxtyped`, check only the first calls."""
    jaxtyping.jaxtyped = _first_calls_checked


def count_anew() -> None:
    """Check the next calls of each function again."""
    _calls.clear()


def _first_calls_checked(*, typechecker: Any) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        always = _check_every_call(function, typechecker=typechecker)
        if not isinstance(function, FunctionType):
            return always

        @wraps(function)
        def sampled(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            calls = _calls[function] = _calls.get(function, 0) + 1
            return (always if calls <= CHECKED_CALLS else function)(*args, **kwargs)

        return sampled

    return decorate
