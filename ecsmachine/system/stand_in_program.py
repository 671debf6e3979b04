"""A program that runs in our place: every signal is for it, and it has our terminal."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

if sys.platform == "linux":
    import os
    import signal

    _OURS = signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP
    _BY_THE_TERMINAL = 128
    """The code of a signal that the kernel sends (SI_KERNEL), as for Ctrl-C: to us and to it."""

    def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Run a program and return its status; what we are sent meanwhile is passed on to it.

        Other threads must hear no signals. Raises :class:`OSError`.
        """
        passed_on = {each for each in _OURS if signal.getsignal(each) != signal.SIG_IGN}
        waited_for = {*passed_on, signal.SIGCHLD}
        before = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
        try:
            process = os.posix_spawnp(
                words[0],
                list(words),
                environment,
                setsigmask=before,
                setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
            )
            while True:
                sent = signal.sigwaitinfo(waited_for)
                if sent.si_signo in passed_on and sent.si_code != _BY_THE_TERMINAL:
                    os.kill(process, sent.si_signo)
                ended, status = os.waitpid(process, os.WNOHANG)
                if ended:
                    return os.waitstatus_to_exitcode(status)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

else:

    def run(words: Sequence[str], environment: Mapping[str, str]) -> int:
        """Raise an error: the one command that needs it runs on Linux alone."""
        raise NotImplementedError(words)
