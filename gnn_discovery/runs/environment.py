"""The environment of a run: versions, machine, date."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime

_PACKAGES = (
    *("gnn-discovery", "jax", "jaxlib", "flax", "optax", "jraph", "numpy", "scipy", "sympy"),
    *("pyoperon", "pysr", "astropy"),
)


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that results may depend on, by name."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe_machine() -> str:
    """Return the processor, the number of cores that may be used, and the system, in words."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    return f"{_processor()}, {cores} cores, {platform.system()} {platform.machine()}"


def _processor() -> str:
    """Return the name of the processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown processor"


def utc_timestamp() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_environment() -> Mapping[str, object]:
    """Return date, machine and versions, as ``environment.json`` of a run holds them."""
    return {"date": utc_timestamp(), "machine": describe_machine(), "versions": package_versions()}
