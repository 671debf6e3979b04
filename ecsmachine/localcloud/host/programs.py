"""Runs the host's programs (ip, mount, losetup, …) with clear errors."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecsmachine.localcloud.protocol.errors import LocalCloudError
from ecsmachine.system import os_errors


class ProgramError(LocalCloudError):
    """A program could not be run, ran too long, or left with another status than 0."""

    def __init__(
        self, argv: Sequence[str], reason: str, output: str = "", status: int | None = None
    ):
        last = output.strip().splitlines()[-1:] or [reason]
        told = os_errors.told_by(output)
        super().__init__(
            f"{Path(argv[0]).name}: {last[0]}",
            hint=os_errors.sentence(told) if told is not None else None,
            details=output.strip() or None,
        )
        self.argv = tuple(argv)
        self.output = output
        self.status = status


def run(
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout_s: float | None = 60,
) -> str:
    """Run a program to its end and return its standard output.

    Raises :class:`ProgramError` with its standard error.
    """
    try:
        done = subprocess.run(  # argument list, no shell
            list(argv),
            input=stdin if stdin is not None else "",
            capture_output=True,
            text=True,
            errors="replace",
            env=env,
            cwd=cwd,
            timeout=timeout_s,
            check=False,
        )
    except FileNotFoundError:
        raise ProgramError(argv, "no such program") from None
    except OSError as error:
        raise ProgramError(argv, error.strerror or str(error)) from None
    except subprocess.TimeoutExpired:
        raise ProgramError(argv, f"no end after {timeout_s:g} s") from None
    if done.returncode != 0:
        raise ProgramError(
            argv,
            f"exit status {done.returncode}",
            done.stderr or done.stdout,
            status=done.returncode,
        )
    return done.stdout
