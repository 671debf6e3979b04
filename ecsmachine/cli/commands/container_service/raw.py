"""``ecsmachine cs METHOD PATH``: any call of the management API, as the guide writes it."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated
from urllib.parse import parse_qsl, unquote

import typer

from ecsmachine.aliyun.container_service.client import ClusterClient
from ecsmachine.cli.commands.container_service.options import cluster_client, connected, pairs
from ecsmachine.cli.display.confirmation import read_input
from ecsmachine.cli.display.output import print_json
from ecsmachine.cli.display.printer import document, show
from ecsmachine.documents.text import parse_json, read_named
from ecsmachine.errors import MachineError, UsageError
from ecsmachine.suggestions import instead_of

_METHODS = ("GET", "POST", "PUT", "DELETE")


@connected(cluster_client)
def cs(
    client: ClusterClient,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT or DELETE")],
    path: Annotated[str, typer.Argument(help="For example /clusters")],
    header: Annotated[
        list[str] | None, typer.Option(help="A header, Name=value (repeatable)")
    ] = None,
    body: Annotated[
        str,
        typer.Option(help="The body as JSON; @FILE takes it from a file, - from standard input"),
    ] = "",
) -> None:
    """Call the API of Container Service, and print the answer.

    Example: ecsmachine cs POST /clusters --header "Content-Type=application/json" --body @new.json
    """
    if method.upper() not in _METHODS:
        raise UsageError(f'"{method}" is not an HTTP method', hint=instead_of(method, _METHODS))
    if not path.startswith("/"):
        raise UsageError(f'The path "{path}" does not begin with /', hint="Example: /clusters")
    plain, _, query = path.partition("?")
    answer = client.roa.call(
        method,
        unquote(plain),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        body=_body(body),
        headers=pairs(header, "--header"),
    )
    if not answer.text.strip():
        return
    if document() is not None:
        with suppress(MachineError):  # what is no JSON is text in the document
            print_json(parse_json(answer.content, MachineError))
            return
    show(answer.text.rstrip())


def _body(given: str) -> bytes:
    if given in ("-", "@-"):
        return read_input()
    if not given.startswith("@"):
        return given.encode()

    def fault(reason: str) -> UsageError:
        return UsageError(f"--body: {given[1:]}: {reason}", hint="Name a file after the @.")

    return read_named(given[1:], fault)
