"""The persistent compilation cache of jax: programs that were compiled once are loaded by later runs."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import warnings
from pathlib import Path

from gnn_discovery.errors import StorageError

MAX_PROGRAMS = 10_000
"""Above this number the older half is deleted; one discovery has about 150 programs, of 1 MB in all."""


def enable_compilation_cache() -> None:
    """Let jax keep compiled programs in the user's cache folder.

    A cache folder that the user has set, as by ``JAX_COMPILATION_CACHE_DIR``, stands as it is, and
    ``JAX_ENABLE_COMPILATION_CACHE=false`` turns all caching off. Where the folder cannot be written nothing is kept.

    XLA calls it an error that a program prefers slow gathers to none, on the very processor it was compiled for, and
    says so in a line for each program that is loaded. This package turns that log off (``TF_CPP_MIN_LOG_LEVEL=3``)
    when it is imported before jax; where it cannot, nothing is kept either.
    """
    import jax

    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return
    if (
        jax.config.values["jax_compilation_cache_dir"] is not None
        or not jax.config.values["jax_enable_compilation_cache"]
    ):
        return
    folder = compilation_cache_folder() / _processor_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    _delete_old_programs(folder)
    from jax.experimental.compilation_cache import compilation_cache

    settings = {
        "jax_compilation_cache_dir": str(folder),
        "jax_compilation_cache_max_size": -1,  # with a size jax would read all files of the folder at each program
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    for name, value in settings.items():
        jax.config.update(name, value)  # type: ignore[no-untyped-call]
    # another process may be writing the program that this one reads, which then compiles it
    warnings.filterwarnings("ignore", message="Error reading persistent compilation cache entry")
    compilation_cache.reset_cache()  # a program that was compiled before has made jax decide that there is no cache


def compilation_cache_folder() -> Path:
    """Return the folder in the user's cache folder that holds compiled programs, by processor."""
    from platformdirs import user_cache_path

    return user_cache_path("gnn-discovery") / "compiled"


def clear_compilation_cache() -> None:
    """Delete all compiled programs.

    Raises:
        StorageError: some file cannot be deleted.
    """
    folder = compilation_cache_folder()
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"cannot be deleted: {error.strerror}", where=str(folder)) from None


def _delete_old_programs(folder: Path) -> None:
    """Delete the older half of the files where there are too many; what another process has deleted is gone."""
    with os.scandir(folder) as entries:
        files = list(entries)
    if len(files) <= MAX_PROGRAMS:
        return
    written = []
    for file in files:
        with contextlib.suppress(OSError):
            written.append((file.stat().st_mtime, file.path))
    for _, path in sorted(written)[: len(written) // 2]:
        with contextlib.suppress(OSError):
            os.unlink(path)


def _processor_digest() -> str:
    """Return a name for what the processor can do: a program compiled for another one could end in a crash."""
    import platform

    features = platform.machine() + platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            features += next((line for line in file if line.startswith(("flags", "Features"))), "")
    except OSError:
        pass
    return hashlib.sha256(features.encode()).hexdigest()[:16]
