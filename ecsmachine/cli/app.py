"""The program: a command line is run, and what ends it is told.

An every-day command in its plain form is read here and now; all else goes to typer.
"""

from __future__ import annotations

import os
import sys

from ecsmachine.cli.arguments.context import Session, storage, values_given
from ecsmachine.cli.display import docker_machine, printer
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.cli.everyday import plain
from ecsmachine.cli.settings.layers import Settings
from ecsmachine.cli.table import COMMANDS
from ecsmachine.documents import TRUE_WORDS
from ecsmachine.errors import INTERRUPTED, MachineError, ReaderGoneError, of_anything

TYPE_CHECKING = False  # typing takes longer to import than a short command
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

_COMPLETE = "__complete"
_SAME_SIGNAL_S = 0.5
"""How soon a signal that comes again is the same; nobody presses Ctrl-C twice that fast."""


class _Interrupted(BaseException):
    """The user, or the system, asks the program to end: what is half made is undone first."""


def run(
    arguments: list[str],
    environment: Mapping[str, str],
    checkpoint: Callable[[str], None] = lambda point: None,
    name: str = "ecsmachine",
) -> int:
    """Run one command line and return the exit code.

    ``checkpoint`` is told of every change of a journal, request to a cloud and command on a host.
    ``name`` is what the program was called by: a link to it may be called docker-machine.

    0 done; 1 an error; 2 wrong usage; 3 a check before creation failed; 130 interrupted.
    """
    before = sys.stdout
    try:
        if any("-json" in word for word in arguments):
            from ecsmachine.cli.display.document import as_switch, begin, form_of

            form = form_of(arguments)
            if form is not None:
                begin(form)
            arguments = as_switch(arguments)
        debug = any(
            environment.get(variable, "").strip().lower() in TRUE_WORDS
            for variable in ("MACHINE_DEBUG", "DEBUG")
        )
        session = Session(environment, [name, *arguments], debug=debug, checkpoint=checkpoint)
        return _with_document(_work(arguments, session), session)
    finally:
        sys.stdout = before  # a document may have been made of it, by --json or by a command


def _with_document(work: Callable[[], object], session: Session) -> int:
    """Run a command line, print what is to be printed at its end, and return the exit code."""
    try:
        result = work()
        printer.finish()
        code = result if isinstance(result, int) else 0
    except BaseException as error:
        code = _told(error, session)
        code = 1 if code == 2 and session.is_docker_machine else code
    made = printer.document()
    if made is not None:
        try:
            made.end(session.named, lambda name: _described(name, session))
        except MachineError as error:
            told = _told(error, session)
            return code or told
    return code


def _work(arguments: list[str], session: Session) -> Callable[[], object]:
    """Return what runs a command line. Raises what the import of a broken library does."""
    if arguments[:1] == [_COMPLETE]:
        return lambda: _complete(arguments[1:], session)
    try:
        session.use(Settings(session.environment, COMMANDS))
    except MachineError as error:
        return _raising(error)
    found = plain.read(arguments, session)
    if found is not None:
        return lambda: plain.run(arguments[0], session, found)
    import signal

    from ecsmachine.cli.display.libraries import silence_libraries
    from ecsmachine.cli.tree import command_tree
    from ecsmachine.system import signals

    def run_by_typer() -> object:
        silence_libraries()
        interrupt = _interrupt(session)
        for number in signals.that_end():
            signal.signal(number, interrupt)
        window = signals.heed_the_end_of_the_window()
        result: object = command_tree().main(
            args=arguments, prog_name=session.program[0], standalone_mode=False, obj=session
        )
        del window
        return result

    return run_by_typer


def _raising(error: MachineError) -> Callable[[], object]:
    def work() -> object:
        raise error

    return work


def _told(error: BaseException, session: Session) -> int:
    """Say what has ended a command, in one line, and return the exit code."""
    if isinstance(error, ReaderGoneError):
        return error.exit_code
    if isinstance(error, MachineError):
        _show(error, session)
        return error.exit_code
    name = type(error).__name__
    if isinstance(error, (_Interrupted, KeyboardInterrupt)) or name == "Abort":
        if not session.until_interrupted:
            _record("Interrupted", "Interrupted")
            printer.complain_of("Interrupted")
        return INTERRUPTED
    if name == "WorkInterrupted":
        left = getattr(error, "left", "")
        line = session.as_called(f"Interrupted. {left}" if left else "Interrupted")
        _record("Interrupted", line)
        printer.complain_of(line)
        return INTERRUPTED
    if name == "Exit":  # typer's, which need not have been imported
        status: int = getattr(error, "exit_code", 1)
        return status
    if name == "NoArgsIsHelpError":
        _record("Usage", "A command is missing")
        from ecsmachine.cli.arguments.help import help_of

        printer.complain(help_of(error.ctx))  # type: ignore[attr-defined]
        return 2
    if hasattr(error, "format_message"):
        from ecsmachine.cli.arguments.suggestions import usage_line

        line = session.settings.with_sources(usage_line(error))
        _record("Usage", session.as_called(line))
        _complain(session, line)
        return 2
    _show(of_anything(error), session)
    return 1


def _complete(words: list[str], session: Session) -> int:
    """Print what the last word may become, for the scripts of ``completion``."""
    *before, current = words or [""]
    session.program = [session.program[0], *before]
    try:
        own = before[: next((at for at, word in enumerate(before) if word in COMMANDS), None)]
        settings = Settings(session.environment, COMMANDS)
        for name in values_given(own, "profile"):
            if name in settings.names("profiles"):
                settings.choose(name, "--profile")
        session.use(settings)
        given = values_given(own, "storage-path", "-s")
        session.storage = storage(given[-1] if given else "", session.environment)
        names = plain.suggested_names(before, current, session)
        if names is not None:
            for name in names:
                printer.show(f"{name}\t")
        else:
            from ecsmachine.cli.arguments.completion import suggest
            from ecsmachine.cli.tree import command_tree

            for suggestion in suggest(command_tree(), session, before, current):
                printer.show(f"{suggestion.word}\t{suggestion.about}")
        printer.finish()
    except Exception:
        if session.debug:
            raise
        return 1
    return 0


def _interrupt(session: Session) -> Callable[[int, FrameType | None], None]:
    """Return what is done at a signal: the first ends the work in order, the second at once.

    The same one again at once is no second: timeout(1) and others send it to a program, and to
    all of its group.
    """
    import time

    from ecsmachine.system import signals

    first: tuple[int, float] | None = None

    def interrupt(number: int, _frame: FrameType | None) -> None:
        nonlocal first
        now = time.monotonic()
        if first is not None and first[0] == number and now - first[1] < _SAME_SIGNAL_S:
            return
        if first is None:
            first = number, now
            if session.interruption is None:
                raise _Interrupted
            # what is undone needs no interrupt to end, and would be left half done
            undone = session.interruption.shielded
            what = "The removal continues" if undone else "Stopping at the next step"
            _write_error(f"{what}; interrupt again to quit at once.\n")
            if not undone:
                session.interruption.ask()
            return
        line = "Error: Interrupted again: quit at once, with work half done."
        names = " ".join(name for name in session.under_way if session.store.exists(name))
        if names:
            line += (
                f' "ecsmachine create --resume {names}" continues, "ecsmachine rm {names}" '
                f"removes the rest."
            )
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""
        _write_error(f"{show_cursor}{session.as_called(line)}\n")
        signals.end_as_interrupted()
        os._exit(INTERRUPTED)

    return interrupt


def _write_error(text: str) -> None:
    """Write on standard error from a signal handler, which may have interrupted a stream."""
    try:
        os.write(2, text.encode(errors="replace"))
    except OSError:
        pass


def _show(error: MachineError, session: Session) -> None:
    if session.debug:
        import traceback

        for each in (error, *error.parts):
            printer.complain("".join(traceback.format_exception(each)).rstrip())
    _name_sources(error, session)
    told_apart = error.parts if session.is_docker_machine else ()
    if error.shown_details and not told_apart:
        printer.complain(session.as_called(error.shown_details))
    machine = error.machine or (session.named[0] if len(session.named) == 1 else "")
    error.hint = error.hint or _hint_of_last_resort(error, machine, session)
    if type(error).__name__ == "NotWrittenError" and _is_of_a_new_store(error, session):
        error.or_else(  # type: ignore[attr-defined]
            "choose another folder with --storage-path or MACHINE_STORAGE_PATH"
        )
    made = printer.document()
    if made is not None:
        from ecsmachine.cli.display.document import errors_of

        made.fail(errors_of(error, machine, session.as_called))
    for each in told_apart:
        _complain(session, each.message, each.hint)
    if told_apart:
        return
    # of several machines, one that its error does not name could be any of them
    is_named = len(session.named) < 2 or f'"{machine}"' in error.message or not machine
    where = "" if is_named or session.is_docker_machine else f"{machine}: "
    _complain(session, f"{where}{error.message}", error.hint)


def _name_sources(error: MachineError, session: Session) -> None:
    """Name the file and line, or the variable, that a wrong value comes from."""
    named = session.settings.with_sources
    message = named(error.message)
    if message == error.message and error.hint and '"ecsmachine ' not in error.hint:
        error.hint = named(error.hint)  # without commands, which are to be copied
    given_as = getattr(error, "given_as", "")
    source = named(given_as)
    if source != given_as or given_as in session.environment:
        message = f"{source}: {message}"
    error.message = message


def _is_of_a_new_store(error: MachineError, session: Session) -> bool:
    """Whether a file could as well be elsewhere: it is of the store, which has no machines yet."""
    from ecsmachine.machine.names import names_in

    path, store = getattr(error, "path", ""), session.storage
    if not f"{path}{os.sep}".startswith(f"{store}{os.sep}"):
        return False
    try:
        return not names_in(os.path.join(store, "machines"))
    except MachineError:
        return True


def _hint_of_last_resort(error: MachineError, machine: str, session: Session) -> str | None:
    """Return what may be meant, or who finds out why a machine does not answer.

    It is for errors of which nobody has said more.
    """
    if type(error).__name__ == "MachineNotFoundError":
        from ecsmachine.suggestions import did_you_mean

        try:
            return did_you_mean(machine, session.store.names())
        except MachineError as unread:
            return f"{unread.message}. {unread.hint or ''}".rstrip()
    is_lost = type(error).__name__ in ("SSHError", "EngineConnectionError")
    if not is_lost or not machine or '"ecsmachine ' in error.message:
        return None
    if not os.path.isdir(f"{session.storage}/machines/{machine}"):
        return None
    return f'"ecsmachine doctor {machine}" finds out why.'


def _described(name: str, session: Session) -> dict[str, object]:
    from ecsmachine.cli.display.facts import stored_facts

    return stored_facts(session.store, name)


def _record(code: str, message: str) -> None:
    """Put an error that is none of ours into the document, if one is made."""
    made = printer.document()
    if made is not None:
        made.fail([{"Code": code, "Message": message, "Hint": "", "Machine": ""}])


def _complain(session: Session, message: str, hint: str | None = None) -> None:
    """Print an error, with what to do about it, in one line.

    Under Docker Machine's name it is the bare sentence, as programs compare it; the hint is for
    people.
    """
    if session.is_docker_machine:
        printer.complain(one_line(docker_machine.sentence(session.as_called(message))))
        if hint and sys.stderr.isatty():
            printer.complain(one_line(session.as_called(hint, hint=True)))
        return
    line = f"{message.rstrip('.')}. {hint}" if hint else message
    printer.complain_of(session.as_called(line))
