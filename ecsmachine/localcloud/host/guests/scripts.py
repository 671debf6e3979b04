"""Scripts that run in a guest, as Cloud Assistant runs them.

The guest's own systemd runs each script as a separate service: so its processes are in the guest's
control group and namespaces, and can be ended together. The program sent in from the host only
starts that service, and passes the script and its output.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import IO, Literal

from ecsmachine.localcloud.host.paths import MARK
from ecsmachine.localcloud.host.programs import ProgramError, run

OUTPUT_BYTES = 24 * 1024
"""How much of the end of a script's output is kept."""
DELIVERY_TIMEOUT_S = 60.0
"""How long a guest may take until it runs a script; ECS waits as long."""
_POLL_S = 0.05
_END_TIMEOUT_S = 20.0
_BEGUN, _NO_USER, _NO_FOLDER = b"begun", b"no user", b"no folder"

Going = Callable[[], bool]
"""Returns whether a script may continue; called repeatedly. Its errors also end the script."""
Outcome = Literal["exited", "timeout", "stopped", "interrupted", "no agent", "no user", "no folder"]

# $1 unit, $2 user, $3 folder ("": the user's home), $4 seconds after which systemd itself ends it
_CLIENT = """
until [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
home=$(getent passwd -- "$2") || { echo "no user" >&2; exit 1; }
home=${home%:*}
folder=${3:-${home##*:}}
[ -d "$folder" ] || { echo "no folder" >&2; exit 1; }
umask 022
mkdir -p /run/aliyun-assist
script=/run/aliyun-assist/$1
cat > "$script" && chmod 755 "$script" || exit 1
echo begun >&2
status=0
# What a script leaves behind in the background stays, as with Cloud Assistant.
systemd-run --quiet --pipe --wait --collect --unit="$1" --uid="$2" \\
    --working-directory="$folder" --property=KillMode=process --property=RuntimeMaxSec="$4" \\
    -- /bin/sh -c "$script" < /dev/null 2>&1 || status=$?
rm -f "$script"
exit "$status"
"""
# $1 unit, $2 all or main: which of its processes
_KILL = """
systemctl kill --signal=KILL --kill-who="$2" "$1"
rm -f "/run/aliyun-assist/$1"
"""


@dataclass(frozen=True)
class GuestScript:
    """A script: ``name`` is that of its service. Without a ``folder`` it runs in ``user``'s home.

    ``whole_tree``: when it is ended, so are all processes that it has started.
    """

    name: str
    content: bytes = field(repr=False)
    user: str
    folder: str
    timeout_s: int
    whole_tree: bool = True


@dataclass(frozen=True)
class ScriptEnd:
    """The end of a script; ``dropped`` counts the bytes cut off at the start of ``output``."""

    outcome: Outcome
    exit_code: int = -1
    output: bytes = field(default=b"", repr=False)
    dropped: int = 0


def run_script(find_init: Callable[[], int | None], script: GuestScript, going: Going) -> ScriptEnd:
    """Run a script in a guest to its end. ``find_init`` returns its process 1 once it is up.

    Raises :class:`~ecsmachine.localcloud.host.programs.ProgramError` if it cannot be sent in.
    """
    deadline = time.monotonic() + DELIVERY_TIMEOUT_S
    while (init := find_init()) is None:
        if not going():
            return ScriptEnd("stopped")
        if time.monotonic() > deadline:
            return ScriptEnd("no agent")
        time.sleep(_POLL_S)
    argv = [
        *entered(init),
        *("/bin/sh", "-c", _CLIENT, "sh", _unit(script.name)),
        *(script.user, script.folder, str(script.timeout_s + 60)),
    ]
    process = subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
        env=environment(),
    )
    with process:
        try:
            return _Run(process, script, deadline).to_its_end(going, init)
        finally:
            if process.poll() is None:
                _end(process, init, script)


def end_script(init: int | None, name: str) -> None:
    """End a script with all its processes, if it and its guest run."""
    if init is not None:
        _kill(init, name, whole_tree=True)


def is_inside(init: int, root: Path) -> bool:
    """Return whether a guest's process 1 has the guest's root disk, mounted at ``root``, as root.

    Early in its boot, and in a guest that never boots, its root is the host's.
    """
    try:
        return root.samefile(f"/proc/{init}/root")
    except OSError:
        return False


class _Run:
    """A running script, seen from the process that has sent it in."""

    def __init__(
        self, process: subprocess.Popen[bytes], script: GuestScript, deadline: float
    ) -> None:
        self._process = process
        self._script = script
        self._deadline = deadline
        self._output: deque[bytes] = deque()
        self._size = self._dropped = 0
        self._said = b""

    def to_its_end(self, going: Going, init: int) -> ScriptEnd:
        process, script = self._process, self._script
        if not (process.stdin and process.stdout and process.stderr):
            raise ValueError("a script needs three pipes")
        with suppress(BrokenPipeError):
            process.stdin.write(script.content)
            process.stdin.flush()
        with suppress(BrokenPipeError):
            process.stdin.close()
        outcome: Outcome = "exited"
        with DefaultSelector() as selector:
            for stream in (process.stdout, process.stderr):
                os.set_blocking(stream.fileno(), False)
                selector.register(stream, EVENT_READ)
            while process.poll() is None:
                self._read(selector)
                if not going():
                    outcome = "stopped"
                elif time.monotonic() > self._deadline:
                    outcome = "timeout" if self._begun else "no agent"
                if outcome != "exited":
                    _end(process, init, script)
            # Later output comes from processes that the script has left behind.
            for _ in range(4):
                self._read(selector, wait_s=0)
        return self._end(outcome)

    @property
    def _begun(self) -> bool:
        return _BEGUN in self._said

    def _read(self, selector: DefaultSelector, wait_s: float = _POLL_S) -> None:
        if not selector.get_map():
            time.sleep(wait_s)
            return
        for key, _ in selector.select(wait_s):
            stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
            data = os.read(stream.fileno(), 65536)
            if not data:
                selector.unregister(stream)
            elif stream is self._process.stdout:
                self._keep(data)
            else:
                begun = self._begun
                self._said = (self._said + data)[-1024:]
                if self._begun and not begun:
                    self._deadline = time.monotonic() + self._script.timeout_s

    def _keep(self, data: bytes) -> None:
        self._output.append(data)
        self._size += len(data)
        while self._size - len(self._output[0]) >= OUTPUT_BYTES:
            gone = len(self._output.popleft())
            self._size -= gone
            self._dropped += gone

    def _end(self, outcome: Outcome) -> ScriptEnd:
        status = self._process.returncode
        if outcome == "exited" and not self._begun:
            if _NO_USER in self._said:
                return ScriptEnd("no user")
            if _NO_FOLDER in self._said:
                return ScriptEnd("no folder")
            if status >= 0:
                said = self._said.decode(errors="replace")
                raise ProgramError(["nsenter"], f"left with status {status}", said)
        if outcome == "exited" and status < 0:
            outcome = "interrupted"  # with the guest, whose processes it was among
        output = b"".join(self._output)
        more = max(len(output) - OUTPUT_BYTES, 0)
        code = status if outcome == "exited" else -1
        return ScriptEnd(outcome, code, output[more:], self._dropped + more)


def _end(process: subprocess.Popen[bytes], init: int, script: GuestScript) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    _kill(init, script.name, whole_tree=script.whole_tree)


def _kill(init: int, name: str, *, whole_tree: bool) -> None:
    whom = "all" if whole_tree else "main"
    argv = [*entered(init), "/bin/sh", "-c", _KILL, "sh", _unit(name), whom]
    with suppress(ProgramError):  # it has ended, or the guest has
        run(argv, env=environment(), timeout_s=_END_TIMEOUT_S)


def _unit(name: str) -> str:
    return f"aliyun-assist-{name}.service"


def entered(init: int) -> Sequence[str]:
    """Return the start of a command line that runs a program inside a guest, as its root."""
    return (
        # A filter blocks modules, clock and kexec for the guest; a program sent in has no filter.
        *("setpriv", "--bounding-set", "-sys_boot,-sys_module,-sys_time"),
        *("nsenter", f"--target={init}", "--mount", "--uts", "--ipc", "--net", "--pid"),
        # Without --wd it would keep a folder of the host.
        *("--root", "--wd"),
    )


def environment() -> dict[str, str]:
    """Return the part of the daemon's environment for a guest: the mark for cleanups."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {
        "PATH": path,
        "LANG": "C.UTF-8",
        **{k: os.environ[k] for k in (MARK,) if k in os.environ},
    }
