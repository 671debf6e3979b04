from __future__ import annotations

import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import (
    Driver,
    DriverContext,
    State,
    UnsupportedOperationError,
)
from ecsmachine.errors import MachineError, PreCreateCheckError, UsageError
from ecsmachine.ssh.keys import ensure_key_pair


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def generic(context: DriverContext, **values: Any) -> Driver:
    given = {f"generic-{name.replace('_', '-')}": value for name, value in values.items()}
    defaults = {option.name: option.default for option in registry.options_of("generic")}
    return registry.new("generic", context, {**defaults, **given})


def quiet(line: str) -> None:
    pass


def test_a_generic_machine_runs_if_its_ssh_port_answers(context: DriverContext, port: int) -> None:
    driver = generic(context, ip_address="127.0.0.1", ssh_port=port)
    assert driver.state() is State.RUNNING
    assert driver.url() == "tcp://127.0.0.1:2376"
    assert driver.provisions


def test_a_generic_machine_that_does_not_answer_is_stopped(context: DriverContext) -> None:
    assert generic(context, ip_address="127.0.0.1", ssh_port=9).state() is State.STOPPED


def test_an_ipv6_address_is_bracketed_in_the_url(context: DriverContext) -> None:
    assert generic(context, ip_address="::1").url() == "tcp://[::1]:2376"


def test_the_key_is_copied_into_the_machines_folder(context: DriverContext, tmp_path: Path) -> None:
    public = ensure_key_pair(tmp_path / "mine", "me@here")
    (tmp_path / "mine.pub").unlink()
    driver = generic(context, ip_address="127.0.0.1", ssh_key=str(tmp_path / "mine"))
    driver.pre_create_check(quiet)
    saved: list[bool] = []
    driver.create(None, quiet, lambda: saved.append(True))  # type: ignore[arg-type]
    copy = context.directory / "id_rsa"
    assert copy.read_bytes() == (tmp_path / "mine").read_bytes()
    assert (context.directory / "id_rsa.pub").read_text().split() == public.split()[:2]
    for path in (copy, context.directory / "id_rsa.pub"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert driver.ssh_target().key_path == copy
    assert saved
    loaded = registry.load("generic", context, driver.config())
    assert loaded.ssh_target() == driver.ssh_target()


def test_a_key_that_cannot_be_used_is_found_before(context: DriverContext, tmp_path: Path) -> None:
    ensure_key_pair(tmp_path / "one", "one")
    ensure_key_pair(tmp_path / "two", "two")
    (tmp_path / "one.pub").write_text((tmp_path / "two.pub").read_text())
    (tmp_path / "text").write_text("hello")
    (tmp_path / "text").chmod(0o600)
    (tmp_path / "open").write_bytes((tmp_path / "two").read_bytes())
    (tmp_path / "open").chmod(0o644)
    for name, message in (
        ("none", "no private key"),
        ("text", "holds no private key"),
        ("one", "does not belong"),
        ("open", "too open"),
    ):
        driver = generic(context, ip_address="127.0.0.1", ssh_key=str(tmp_path / name))
        with pytest.raises(PreCreateCheckError, match=message):
            driver.pre_create_check(quiet)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"ip_address": "tcp://1.2.3.4"},
        {"ip_address": "h", "ssh_port": 0},
        {"ip_address": "h", "engine_port": 65536},
    ],
)
def test_wrong_values_of_generic(context: DriverContext, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        generic(context, **values)


@pytest.mark.parametrize("operation", ["start", "stop", "kill"])
def test_generic_cannot_be_switched(context: DriverContext, operation: str) -> None:
    driver = generic(context, ip_address="127.0.0.1")
    with pytest.raises(UnsupportedOperationError, match=f"does not support {operation}"):
        getattr(driver, operation)(quiet)


def test_none_is_its_url(context: DriverContext) -> None:
    driver = registry.new("none", context, {"url": "tcp://192.0.2.7:2376"})
    assert (driver.url(), driver.address()) == ("tcp://192.0.2.7:2376", "192.0.2.7")
    assert driver.state() is State.RUNNING
    assert not driver.provisions
    assert driver.config()["IPAddress"] == "192.0.2.7:2376"
    assert registry.load("none", context, driver.config()).url() == driver.url()
    with pytest.raises(MachineError):
        driver.ssh_target()
    for operation in ("start", "stop", "restart", "kill"):
        with pytest.raises(UnsupportedOperationError):
            getattr(driver, operation)(quiet)


@pytest.mark.parametrize("url", ["", "tcp://h\n", "\x1b[2J"])
def test_none_needs_a_url(context: DriverContext, url: str) -> None:
    with pytest.raises(UsageError, match="url"):
        registry.new("none", context, {"url": url})


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("192.0.2.7:2376", "first path segment in URL cannot contain colon"),
        ("1http://h", "first path segment in URL cannot contain colon"),
        (":x", "missing protocol scheme"),
        ("tcp://h:port", 'invalid port ":port" after host'),
        ("tcp://[::1]x", 'invalid port "x" after host'),
        ("tcp://[::1", "missing ']' in host"),
        ("tcp://a b:1", 'invalid character " " in host name'),
        ("tcp://h/%zz", 'invalid URL escape "%zz"'),
        ("x%1", 'invalid URL escape "%1"'),
    ],
)
def test_none_takes_only_what_docker_machine_reads_as_a_url(
    context: DriverContext, url: str, why: str
) -> None:
    with pytest.raises(UsageError) as caught:
        registry.new("none", context, {"url": url})
    assert caught.value.message == f'--url: "{url}" is no URL: {why}'


@pytest.mark.parametrize(
    "url",
    [
        *("none", "tcp://", "a b", "unix:///var/run/docker.sock", "localhost:2376", "//h:1"),
        *("tcp://[::1]", "tcp://:1", "tcp://h:", "tcp://h:99999", "tcp://h:1:2"),
        "tcp://u:p@h:1/a%20b?c=d",
    ],
)
def test_none_takes_any_url(context: DriverContext, url: str) -> None:
    driver = registry.new("none", context, {"url": url})
    assert registry.load("none", context, driver.config()).url() == url


@pytest.mark.parametrize("url", ["unix:///var/run/docker.sock", "tcp://:1", "name", "npipe:////x"])
def test_none_has_no_address_without_a_host(context: DriverContext, url: str) -> None:
    assert registry.new("none", context, {"url": url}).address() == ""
