"""What connecting does, step by step, for ``--debug``."""

from __future__ import annotations

import sys


def log_step(form: str, *values: object) -> None:
    """Log a step if the logging library is there: ``--debug`` loads it, a short command does not.

    Source of ``form``: Python's ``logging``. No secret may be among the values.
    """
    logging = sys.modules.get("logging")
    if logging is not None:
        logging.getLogger(__name__).debug(form, *values)
