"""Report errors of the command line: one message on standard error, and the exit code that belongs to it."""

from __future__ import annotations

import errno
from typing import Any

import typer
from typer.core import TyperGroup

from gnn_discovery.errors import GnnDiscoveryError, StorageError

EXIT_INTERRUPTED = 130
"""A command that was interrupted ends with this exit code, as shells expect: 128 + SIGINT."""
_STORAGE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG)


class ErrorReportingGroup(TyperGroup):
    """A group of commands that reports errors as one sentence, with an exit code.

    ``ctx.obj`` is the run directory that a command works in, where it has begun one: an interrupted
    command names it, so that the run can be gone on with.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run a command; turn its errors into messages and exit codes."""
        try:
            return super().invoke(ctx)
        except GnnDiscoveryError as error:
            raise self._leave(str(error), error.exit_code) from error
        except KeyboardInterrupt as error:
            resume = f". Go on with: gnn-discovery resume {ctx.obj}" if ctx.obj else ""
            raise self._leave(f"interrupted{resume}", EXIT_INTERRUPTED) from error
        except OSError as error:
            if error.errno not in _STORAGE_ERRNOS:
                raise
            where = f"{error.filename}: " if error.filename else ""
            raise self._leave(f"{where}{error.strerror}", StorageError.exit_code) from error

    def _leave(self, message: str, code: int) -> typer.Exit:
        typer.echo(f"gnn-discovery: {message}", err=True)
        return typer.Exit(code)
