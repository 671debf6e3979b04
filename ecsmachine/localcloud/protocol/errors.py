"""Refusals that the API answers with, and what can go wrong on the local cloud's own side."""

from __future__ import annotations


class ApiError(Exception):
    """A request is refused. ``code`` and ``message`` are those of Alibaba Cloud's references."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def missing_parameter(name: str) -> ApiError:
    """Return the refusal of a request that lacks a mandatory parameter."""
    return ApiError(
        "MissingParameter",
        f'The input parameter "{name}" that is mandatory for processing this request '
        "is not supplied.",
    )


def invalid_parameter(name: str, reason: str = "") -> ApiError:
    """Return the refusal of a value that no more specific code is known for."""
    message = f"The specified parameter {name} is not valid."
    return ApiError("InvalidParameter", f"{message} {reason}".rstrip())


def dry_run_passed() -> ApiError:
    """Return the answer to a dry run that would succeed."""
    return ApiError("DryRunOperation", "Request validation has been passed with DryRun flag set.")


class LocalCloudError(Exception):
    """The local cloud cannot carry out a command.

    ``message`` is one line, ``hint`` one line on what to do about it, ``details`` text of
    any length (what a program wrote, the end of a log).
    """

    def __init__(self, message: str, *, hint: str | None = None, details: str | None = None):
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = details

    def __str__(self) -> str:
        return f"{self.message} {self.hint or ''}".rstrip()
