"""What libraries print of themselves: it holds what hosts and clouds sent, and tracebacks."""

from __future__ import annotations

import sys
import threading
import warnings

from ecsmachine.cli.display import printer


def quieten() -> None:
    """Keep the warnings of libraries from standard error, and the ends of threads to a line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    threading.excepthook = _warn_of_ended_thread


def _warn_of_ended_thread(ended: threading.ExceptHookArgs) -> None:
    printer.warn(f"A thread has ended: {ended.exc_type.__name__}: {ended.exc_value}")
