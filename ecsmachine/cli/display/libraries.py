"""What libraries print of themselves is not shown; our warnings are, and all with ``--debug``."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

from ecsmachine.cli.display import printer

_LOGGER = logging.getLogger("ecsmachine")
_PAUSE_S = 60.0


def silence_libraries() -> None:
    """Keep the warnings of libraries from standard error, and the ends of threads to a line."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
    threading.excepthook = _warn_of_ended_thread
    _show_warnings()


def _warn_of_ended_thread(ended: threading.ExceptHookArgs) -> None:
    printer.warn(f"A thread has ended: {ended.exc_type.__name__}: {ended.exc_value}")


class _Warnings(logging.Handler):
    """Shows a warning, and none of the next minute: requests of a moment have the same trouble."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._not_before = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        # with --debug it is shown among all that is logged
        if record.created >= self._not_before and not _LOGGER.isEnabledFor(logging.DEBUG):
            self._not_before = record.created + _PAUSE_S
            printer.warn(f"{record.getMessage()}.")


def _show_warnings() -> None:
    logger = logging.getLogger("ecsmachine.aliyun")
    for handler in [each for each in logger.handlers if isinstance(each, _Warnings)]:
        logger.removeHandler(handler)  # of a command before this one
    logger.addHandler(_Warnings())


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
    level = _LOGGER.level
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)
