"""What libraries print of themselves is not shown, and with ``--debug`` what is logged is."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

from ecsmachine.cli.display import printer


def silence_libraries() -> None:
    """Keep the warnings of libraries from standard error, and the ends of threads to a line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    threading.excepthook = _warn_of_ended_thread


def _warn_of_ended_thread(ended: threading.ExceptHookArgs) -> None:
    printer.warn(f"A thread has ended: {ended.exc_type.__name__}: {ended.exc_value}")


@contextlib.contextmanager
def logged_on_standard_error() -> Iterator[None]:
    """Show what is logged until the command has ended."""

    class StandardError(logging.Handler):
        """Finds the stream anew for each line: progress puts one of its own in its place."""

        def emit(self, record: logging.LogRecord) -> None:
            # what a cloud or a host said may have lines that look like another record
            printer.complain(self.format(record).replace("\n", "\n    "))

    handler = StandardError()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    logger = logging.getLogger("ecsmachine")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
