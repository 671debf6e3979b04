"""The program: global options, the table of commands, and how errors are shown.

A command's module is imported when that command is called, so that ``ls`` does not pay for
what ``create`` needs.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
import typer.core
import typer.main

from ecsmachine.cli.arguments.context import Session
from ecsmachine.cli.arguments.flag_forms import TRUE_WORDS, accept_flag_forms, is_true
from ecsmachine.cli.arguments.parameters import help_of, write_in_words
from ecsmachine.cli.arguments.parsing import convert_only_if_needed
from ecsmachine.cli.display import docker_machine, printer
from ecsmachine.cli.display.cleaning import one_line
from ecsmachine.errors import MachineError, UsageError

_COMMANDS: dict[str, tuple[str, str]] = {
    "active": ("listing", "Print which machine is active"),
    "adopt": ("adopt", "Take an instance over that another store made, or a lost one"),
    "cluster": ("container_service.cluster", "Clusters of Container Service"),
    "completion": ("completion", "Print the script that completes in a shell"),
    "config": ("engine_config", "Print the connection config for a machine, or change its engine"),
    "context": ("docker_context", "Make machines known to the docker client as contexts"),
    "create": ("create", "Create a machine"),
    "cs": ("container_service.raw", "Call the API of Container Service"),
    "credentials": ("credentials", "See and change whose rights machines are looked after with"),
    "env": ("connect", "Print the commands that set up the environment for the Docker client"),
    "export": ("transfer", "Write a machine with its keys into an encrypted file"),
    "import": ("transfer", "Put a machine that was exported into this store"),
    "image": ("image", "Images of a registry"),
    "inspect": ("listing", "Print what is stored of a machine"),
    "ip": ("listing", "Print the address of machines"),
    "kill": ("lifecycle", "Stop machines at once, as by pulling the plug"),
    "local": ("local", "Run an ECS-compatible cloud on this machine"),
    "ls": ("listing", "List machines"),
    "mount": ("copy", "Mount a folder of a machine here"),
    "project": ("container_service.project", "Applications on a Swarm cluster"),
    "provision": ("provisioning", "Provision machines again"),
    "regenerate-certs": ("provisioning", "Give machines new certificates"),
    "restart": ("lifecycle", "Restart machines"),
    "rm": ("lifecycle", "Remove machines"),
    "scp": ("copy", "Copy files to, from or between machines"),
    "service": ("container_service.service", "Services of the applications on a Swarm cluster"),
    "ssh": ("connect", "Log into a machine, or run a command on it"),
    "start": ("lifecycle", "Start machines"),
    "status": ("listing", "Print the state of machines"),
    "stop": ("lifecycle", "Stop machines"),
    "swarm": ("swarm", "Join machines in Docker's Swarm mode"),
    "sweep": ("sweep", "Find and remove what is left in the cloud of lost machines"),
    "trigger": ("container_service.trigger", "Addresses that redeploy or scale an application"),
    "trust": ("trust", "Pin the host key of a machine anew, after its host was installed anew"),
    "upgrade": ("provisioning", "Upgrade the engines of machines"),
    "url": ("listing", "Print the engine's URL of machines"),
    "version": ("listing", "Print the version of ecsmachine, or of a machine's engine"),
    "volume": ("container_service.volume", "Volumes of a Swarm cluster"),
}

_COMPLETE = "__complete"

_HELP = ("help", "h")

_FUNCTIONS = {"import": "import_"}
"""The functions of commands whose names are Python's own words."""


class _Interrupted(BaseException):
    """The user, or the system, asks the program to end: what is half made is undone first."""


class _Commands(typer.core.TyperGroup):
    """The commands, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in _HELP:
            return _command("help", _help)
        if cmd_name not in _COMMANDS:
            return None
        module = import_module(f"ecsmachine.cli.commands.{_COMMANDS[cmd_name][0]}")
        if hasattr(module, "app"):
            return typer.main.get_command(module.app)
        if hasattr(module, "command"):  # the driver says what flags there are
            session: Session = ctx.obj
            return _command(cmd_name, module.command(session.program, session.environment))
        return _command(cmd_name, getattr(module, _function_name(cmd_name)))

    def help_of(self, name: str) -> str:
        """Return the line about a command, without importing it."""
        return _COMMANDS[name][1]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in (*_COMMANDS, *_HELP):
            from ecsmachine.cli.arguments.suggestions import did_you_mean

            suggestion = did_you_mean(args[0], (*_COMMANDS, "help"))
            ctx.fail(f"'{args[0]}' is not a command of {ctx.command_path}. {suggestion}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


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
    session = Session(
        storage_path=Path(),
        environment=environment,
        program=[name, *arguments],
        debug=any(
            environment.get(variable, "").strip().lower() in TRUE_WORDS
            for variable in ("MACHINE_DEBUG", "DEBUG")
        ),
        checkpoint=checkpoint,
    )
    try:
        if arguments[:1] == [_COMPLETE]:
            return _complete(arguments[1:], session)
        interrupt = _interrupt(session)
        for terminating in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if terminating != signal.SIGHUP or signal.getsignal(terminating) != signal.SIG_IGN:
                signal.signal(terminating, interrupt)  # nohup has the hangup ignored
        result = command_tree().main(
            args=arguments, prog_name=name, standalone_mode=False, obj=session
        )
        printer.finish()
    except BaseException as error:
        code = _told(error, session)
        return 1 if code == 2 and session.is_docker_machine else code
    return result if isinstance(result, int) else 0


def _told(error: BaseException, session: Session) -> int:
    """Say what has ended a command, in one line, and return the exit code."""
    if isinstance(error, MachineError):
        _show(error, session)
        return error.exit_code
    if isinstance(error, (_Interrupted, KeyboardInterrupt, typer.Abort)):
        printer.complain_of("Interrupted")
        return 130
    if session.interruption is not None:
        from ecsmachine.machine.interruption import WorkInterrupted

        if isinstance(error, WorkInterrupted):
            line = f"Interrupted. {error.left}" if error.left else "Interrupted"
            printer.complain_of(session.as_called(line))
            return 130
    if isinstance(error, typer.Exit):
        return error.exit_code
    if type(error).__name__ == "NoArgsIsHelpError":
        printer.complain(help_of(error.ctx))  # type: ignore[attr-defined]
        return 2
    if hasattr(error, "format_message"):
        from ecsmachine.cli.arguments.suggestions import usage_line

        _complain(session, usage_line(error))
        return 2
    _show_unexpected(error, session.debug)
    return 1


def _complete(words: list[str], session: Session) -> int:
    """Print what the last word may become, for the scripts of ``completion``."""
    from ecsmachine.cli.arguments.completion import suggest

    *before, current = words or [""]
    session.program = [session.program[0], *before]
    try:
        given = [Path(path) for flag, path in pairwise(before) if flag in ("-s", "--storage-path")]
        session.storage_path = _storage_path(given[-1] if given else None, session.environment)
        for suggestion in suggest(command_tree(), session, before, current):
            printer.show(f"{suggestion.word}\t{suggestion.about}")
        printer.finish()
    except Exception:
        if session.debug:
            raise
        return 1
    return 0


def command_tree() -> Any:
    """Return the group of all commands, with the global options."""
    app = typer.Typer(
        cls=_Commands,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(invoke_without_command=True)(_root)
    return accept_flag_forms(convert_only_if_needed(write_in_words(typer.main.get_command(app))))


def _root(
    ctx: typer.Context,
    debug: Annotated[
        bool,
        typer.Option("--debug", "-D", help="Say on standard error what is done [$MACHINE_DEBUG]"),
    ] = False,
    storage_path: Annotated[
        Path | None,
        typer.Option(
            "--storage-path",
            "-s",
            help="The machine store [default: ~/.docker/machine, $MACHINE_STORAGE_PATH]",
        ),
    ] = None,
    tls_ca_cert: Annotated[
        Path | None,
        typer.Option(help="CA to verify engines against [$MACHINE_TLS_CA_CERT]"),
    ] = None,
    tls_ca_key: Annotated[
        Path | None,
        typer.Option(help="Private key to sign certificates with [$MACHINE_TLS_CA_KEY]"),
    ] = None,
    tls_client_cert: Annotated[
        Path | None,
        typer.Option(help="Client certificate for engines [$MACHINE_TLS_CLIENT_CERT]"),
    ] = None,
    tls_client_key: Annotated[
        Path | None,
        typer.Option(help="Private key of that certificate [$MACHINE_TLS_CLIENT_KEY]"),
    ] = None,
    tls_key_type: Annotated[
        str,
        typer.Option(
            help="Kind of a new CA's key and of all keys below it: ecdsa (P-256) or rsa (3072) "
            "[default: ecdsa, $MACHINE_TLS_KEY_TYPE]"
        ),
    ] = "",
    native_ssh: Annotated[
        bool,
        typer.Option("--native-ssh", help="Do without the ssh program [$MACHINE_NATIVE_SSH]"),
    ] = False,
    github_api_token: Annotated[str, typer.Option(hidden=True)] = "",
    bugsnag_api_token: Annotated[str, typer.Option(hidden=True)] = "",
    version: Annotated[bool, typer.Option("--version", "-v", help="Print the version")] = False,
) -> None:
    """Create and manage machines running Docker on Alibaba Cloud ECS.

    Example: ecsmachine create -d aliyunecs dev1
    """
    session: Session = ctx.obj
    if version:
        printer.show(session.version_line())
        raise typer.Exit
    session.debug = session.debug or debug or _is_set(session.environment, "MACHINE_DEBUG")
    if session.debug:
        ctx.with_resource(_logged_on_standard_error())
    environment = session.environment
    session.storage_path = _storage_path(storage_path, environment)
    session.native_ssh = native_ssh or _is_set(environment, "MACHINE_NATIVE_SSH")
    session.tls_key_type = tls_key_type or environment.get("MACHINE_TLS_KEY_TYPE") or "ecdsa"
    if session.tls_key_type not in ("ecdsa", "rsa"):
        raise UsageError(
            f'--tls-key-type (MACHINE_TLS_KEY_TYPE): "{session.tls_key_type}" is not known',
            hint="It is ecdsa or rsa.",
        )
    for name, variable, given in (
        ("ca_cert_path", "MACHINE_TLS_CA_CERT", tls_ca_cert),
        ("ca_key_path", "MACHINE_TLS_CA_KEY", tls_ca_key),
        ("client_cert_path", "MACHINE_TLS_CLIENT_CERT", tls_client_cert),
        ("client_key_path", "MACHINE_TLS_CLIENT_KEY", tls_client_key),
    ):
        path = given or environment.get(variable)
        if path:
            session.certificate_paths[name] = Path(path).absolute()
    if ctx.invoked_subcommand is None:
        printer.show(ctx.get_help())


def _help(
    ctx: typer.Context,
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND", help="The command to explain")
    ] = None,
) -> None:
    """Explain a command.

    Example: ecsmachine help swarm join
    """
    context: Any = ctx.parent
    for word in words or []:
        if not hasattr(context.command, "list_commands"):
            raise UsageError(
                f"'{context.command_path}' has no command '{word}'",
                hint=f"See '{context.command_path} --help'.",
            )
        found = context.command.get_command(context, word)
        if found is None:
            from ecsmachine.cli.arguments.suggestions import did_you_mean

            suggestion = did_you_mean(word, context.command.list_commands(context))
            raise UsageError(
                f"'{context.command_path}' has no command '{word}'",
                hint=suggestion or f"See '{context.command_path} --help'.",
            )
        context = found.make_context(word, [], parent=context, resilient_parsing=True)
    printer.show(help_of(context))


def _function_name(command: str) -> str:
    return _FUNCTIONS.get(command, command.replace("-", "_"))


def _command(name: str, function: Callable[..., Any]) -> Any:
    """Return the command that a function is, with the settings that it asks for.

    A function may carry ``context_settings``, as ``ssh`` does to leave the remote command's
    flags alone.
    """
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    settings = {
        "help_option_names": ["--help", "-h"],
        **getattr(function, "context_settings", {}),
    }
    app.command(name, context_settings=settings)(function)
    return accept_flag_forms(convert_only_if_needed(write_in_words(typer.main.get_command(app))))


def _storage_path(given: Path | None, environment: Mapping[str, str]) -> Path:
    path = given or environment.get("MACHINE_STORAGE_PATH")
    try:
        return Path(path).absolute() if path else Path.home() / ".docker" / "machine"
    except RuntimeError:
        raise UsageError(
            "It is not known where your home folder is",
            hint="Set HOME, or name the machine store with --storage-path.",
        ) from None


def _is_set(environment: Mapping[str, str], variable: str) -> bool:
    """Read a switch. Raises :class:`UsageError` for a value that is none."""
    text = environment.get(variable, "")
    what = f"The variable {variable}"
    return bool(text.strip()) and is_true(text, what, "Correct it, or unset it.")


def _interrupt(session: Session) -> Callable[[int, FrameType | None], None]:
    """Return what is done at a signal: the first ends the work in order, the second at once."""
    signals = 0

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals == 1:
            if session.interruption is None:
                raise _Interrupted
            # what is undone needs no interrupt to end, and would be left half done
            undone = session.interruption.shielded
            what = "Removing goes on" if undone else "Ending at the next step"
            _write_error(f"{what}; interrupt again to leave at once.\n")
            if not undone:
                session.interruption.ask()
            return
        line = "Error: Interrupted again: left at once, with work half done."
        names = " ".join(name for name in session.under_way if session.store.exists(name))
        if names:
            line += (
                f' "ecsmachine create --resume {names}" goes on with what was made, '
                f'"ecsmachine rm {names}" removes it.'
            )
        show_cursor = "\x1b[?25h" if os.isatty(2) else ""
        _write_error(f"{show_cursor}{line}\n")
        os._exit(130)

    return interrupt


def _write_error(text: str) -> None:
    """Write on standard error from a signal handler, which may have interrupted a stream."""
    with contextlib.suppress(OSError):
        os.write(2, text.encode(errors="replace"))


@contextlib.contextmanager
def _logged_on_standard_error() -> Iterator[None]:
    """Show what is logged until the command has ended."""
    import logging

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


def _show(error: MachineError, session: Session) -> None:
    if session.debug:
        _show_trace(error)
    if error.details:
        printer.complain(session.as_called(error.details.rstrip()))
    _complain(session, error.message, error.hint)


def _complain(session: Session, message: str, hint: str | None = None) -> None:
    """Print an error, with what to do about it, in one line.

    Under Docker Machine's name it is the bare sentence, as programs compare it; the hint is for
    people.
    """
    if session.is_docker_machine:
        printer.complain(one_line(docker_machine.sentence(session.as_called(message))))
        if hint and sys.stderr.isatty():
            printer.complain(one_line(session.as_called(hint)))
        return
    printer.complain_of(f"{message.rstrip('.')}. {hint}" if hint else message)


def _show_trace(error: BaseException) -> None:
    import traceback

    printer.complain("".join(traceback.format_exception(error)).rstrip())


def _show_unexpected(error: BaseException, debug: bool) -> None:
    if debug:
        _show_trace(error)
    text = f"{type(error).__name__}: {error}"
    refused = isinstance(error, (OSError, MemoryError, ImportError)) or "start new thread" in text
    if not refused:
        printer.complain_of(
            f"{text}. This is a fault of ecsmachine: run it with --debug and report what it prints."
        )
        return
    # the system says no: to whom, and what to do about it, the code that asked does not know
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    try:
        Path.cwd()
    except OSError:
        text = f"The working directory is gone ({text}). Change to one that is there."
    printer.complain_of(text)
