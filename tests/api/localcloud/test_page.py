"""The cloud's page, without a browser: who may see it, and what it is told."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.localcloud.faults.fault import Fault
from ecsmachine.localcloud.service import daemon
from ecsmachine.localcloud.service.embedded import EmbeddedCloud, embedded_cloud
from ecsmachine.localcloud.service.http_server import Connections
from ecsmachine.localcloud.service.page import routes, stream
from ecsmachine.localcloud.service.page.code import code_of
from ecsmachine.localcloud.service.remote import RemoteCloud
from tests.api.localcloud.api_client import Api

TOKEN = "a-token-that-nobody-knows"
PAGE = "/_ecsmachine/page/"
SECRET = "Secret-1234"


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[EmbeddedCloud]:
    with embedded_cloud(tmp_path / "cloud", page_token=TOKEN) as running:
        yield running


class Browser:
    """What a browser would send: its cookies, and the headers that say where it comes from."""

    def __init__(self, cloud: EmbeddedCloud) -> None:
        self.cloud = cloud
        self.cookie = ""

    def ask(
        self, path: str, method: str = "GET", body: object = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection(self.cloud.host, timeout=30)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            given["Cookie"] = self.cookie
        content = None if body is None else json.dumps(body)
        connection.request(method, f"{PAGE}{path}", content, given)
        answer = connection.getresponse()
        found = answer.status, answer.headers, answer.read()
        connection.close()
        return found

    def open(self, token: str = TOKEN) -> int:
        status, headers, _ = self.ask(f"?token={token}")
        self.cookie = (headers["Set-Cookie"] or "").partition(";")[0]
        return status

    def read(self, path: str) -> dict[str, Any]:
        status, _, content = self.ask(path)
        assert status == 200, content
        found: dict[str, Any] = json.loads(content)
        return found

    def act(self, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        _, _, page = self.ask("")
        token = page.decode().partition('name="action" content="')[2].partition('"')[0]
        given = {"X_Ecsmachine_Action": token, **headers}
        status, _, content = self.ask(path, "POST", body, **given)
        return status, json.loads(content or b"{}")


@pytest.fixture
def browser(cloud: EmbeddedCloud) -> Browser:
    opened = Browser(cloud)
    assert opened.open() == 303
    return opened


def events(browser: Browser, path: str = "events") -> Iterator[tuple[str, Any]]:
    connection = http.client.HTTPConnection(browser.cloud.host, timeout=30)
    connection.request("GET", f"{PAGE}{path}", headers={"Cookie": browser.cookie})
    answer = connection.getresponse()
    assert answer.status == 200
    name = ""
    for line in answer:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            yield name, json.loads(value)
    connection.close()


PATHS = ("", "events", "info", "static/page.js", "console/i-1", "requests/1", "reach", "clusters/c")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("token", ["", "wrong", "\u00e9"])
def test_without_the_token_nothing_is_seen(cloud: EmbeddedCloud, path: str, token: str) -> None:
    browser = Browser(cloud)
    browser.cookie = f"ecsmachine-0={token}"
    status, _, content = browser.ask(f"{path}?token={'%C3%A9' if token else ''}")
    assert (status, b"ecsmachine local open" in content) == (401, True)
    assert browser.open("wrong") == 401


def test_the_token_is_changed_for_a_cookie(cloud: EmbeddedCloud) -> None:
    browser = Browser(cloud)
    status, headers, content = browser.ask(f"?token={TOKEN}", Sec_Fetch_Site="none")
    assert (status, headers["Location"], content) == (303, PAGE, b"")
    cookie = headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert f"Path={PAGE}" in cookie
    assert TOKEN not in cookie
    browser.cookie = cookie.partition(";")[0]
    status, headers, content = browser.ask("", Accept_Language="de, zh-CN;q=0.9, en;q=0.5")
    assert (status, b'lang="zh"' in content) == (200, True)
    assert TOKEN.encode() not in content
    policy = headers["Content-Security-Policy"]
    inline = content.partition(b"<script>")[2].partition(b"</script>")[0]
    digest = base64.b64encode(hashlib.sha256(inline).digest()).decode()
    assert policy.startswith(f"default-src 'none'; script-src 'self' 'sha256-{digest}';")
    assert "unsafe" not in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "ecs.aliyuncs.com"},  # not a name of the page's
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_pages_of_others_are_refused(browser: Browser, headers: dict[str, str]) -> None:
    assert browser.ask("info", **headers)[0] == 403
    fault = {"kind": "throttle", "rate": 1}
    assert browser.act("faults", fault, **headers)[0] == 403
    assert browser.cloud.faults.entries() == []


def test_the_page_itself_is_let_through(browser: Browser) -> None:
    own = {"Sec_Fetch_Site": "same-origin", "Origin": browser.cloud.endpoint}
    assert browser.ask("info", **own)[0] == 200
    assert browser.ask("static/page.js", **own)[0] == 200
    assert browser.ask("static/../routes.py")[0] in (401, 404)
    assert browser.ask("static/index.html")[0] == 404
    status, _, _ = browser.ask("../page/info", Sec_Fetch_Site="cross-site")
    assert status == 403


def test_an_action_needs_what_the_page_was_told(browser: Browser) -> None:
    fault = {"kind": "error", "action": "DescribeVpcs", "code": "InternalError"}
    assert browser.ask("faults", "POST", fault)[0] == 403
    assert browser.ask("faults", "POST", fault, X_Ecsmachine_Action="wrong")[0] == 403
    assert browser.cloud.faults.entries() == []


def test_faults_are_set_counted_and_removed(browser: Browser) -> None:
    api = Api(browser.cloud)
    told = events(browser)
    next(told)
    fault = {"kind": "error", "action": "DescribeVpcs", "code": "InternalError", "times": 1}
    assert browser.act("faults", fault) == (201, {"id": 1})
    assert api.refusal("DescribeVpcs") == "500 InternalError"
    found = [data["faults"] for _, data in _until(told, lambda data: _struck(data) == 1)]
    assert found[-1][0]["spent"] is True
    assert browser.act("faults/1/remove", {})[0] == 204
    assert list(_until(told, lambda data: data.get("faults") == []))
    status, answer = browser.act("faults", {"kind": "error", "action": "DescribeVpcz", "code": "x"})
    assert (status, "DescribeVpcz" in answer["error"]) == (400, True)
    bad: list[object] = [[], {}, {"kind": "error", "cod": 1}, {"kind": "delay", "seconds": "x"}]
    for wrong in bad:
        assert browser.act("faults", wrong)[0] == 400


def _struck(data: dict[str, Any]) -> int:
    return max((fault["struck"] for fault in data.get("faults", ())), default=0)


def _until(told: Iterator[tuple[str, Any]], true: Any) -> Iterator[tuple[str, Any]]:
    for name, data in told:
        if "faults" in data or true(data):
            yield name, data
        if true(data):
            return


def test_what_is_different_is_told(browser: Browser) -> None:
    api = Api(browser.cloud)
    told = events(browser)
    name, first = next(told)
    assert (name, set(first["resources"])) == ("changes", {"vpcs", "vswitches"})
    group = api.group("web")
    found: dict[str, Any] = {}
    for _, data in told:
        found.update(data.get("resources", {}).get("security_groups", {}))
        if data.get("requests"):
            break
    assert found[group]["name"] == "web"
    (request,) = data["requests"]
    assert (request["action"], request["answer"], data["left_out"]) == (
        "CreateSecurityGroup",
        {},
        0,
    )
    whole = browser.read(f"requests/{request['number']}")
    assert whole["request"]["answer"]["SecurityGroupId"] == group


def test_many_requests_are_told_in_part(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_REQUESTS", 3)
    monkeypatch.setattr(stream, "SHORTEST_S", 1.0)
    api = Api(browser.cloud)
    told = events(browser)
    next(told)
    for _ in range(20):
        api.call("DescribeVpcs")
    shown, left_out = 0, 0
    for _, data in told:
        shown += len(data.get("requests", ()))
        left_out += data.get("left_out", 0)
        assert len(data.get("requests", ())) <= 3
        if shown + left_out == 20:
            break
    assert left_out > 0


def test_secrets_are_masked(browser: Browser) -> None:
    api = Api(browser.cloud)
    user_data = base64.b64encode(b"#!/bin/sh\necho hidden").decode()
    api.call("RunInstances", api.base(api.group()), Password=SECRET, UserData=user_data)
    told = events(browser)
    text = json.dumps(next(told)) + json.dumps(browser.read("requests/2"))
    assert "RunInstances" in text
    assert SECRET not in text
    assert user_data not in text


def test_what_is_not_implemented_is_marked(browser: Browser) -> None:
    api = Api(browser.cloud)
    api.refusal("DescribeNatGateways")
    api.refusal("RunInstances", api.base(api.group()), Affinity="host")
    _, first = next(events(browser))
    marked = [one["not_implemented"] for one in first["requests"]]
    assert marked == [["DescribeNatGateways"], [], ["Affinity"]]


def test_the_rule_that_decides_is_told(browser: Browser) -> None:
    api = Api(browser.cloud)
    group, other = api.group("web"), api.group("db")
    one, two = (
        api.call("RunInstances", api.base(each))["InstanceIdSets"]["InstanceIdSet"][0]
        for each in (group, other)
    )
    api.wait(one, "Running")
    api.wait(two, "Running")

    def reach(source: str, target: str, port: int = 2376, protocol: str = "tcp") -> dict[str, Any]:
        asked = f"source={source}&target={target}&port={port}&protocol={protocol}"
        return browser.read(f"reach?{asked}")

    closed = reach(one, two)
    assert (closed["reaches"], [step["side"] for step in closed["steps"]]) == (
        False,
        ["egress", "ingress"],
    )
    api.call(
        "AuthorizeSecurityGroup",
        SecurityGroupId=other,
        IpProtocol="tcp",
        PortRange="2376/2376",
        SourceGroupId=group,
    )
    opened = reach(one, two)
    assert opened["reaches"] is True
    assert opened["steps"][1]["group"] == other
    assert opened["steps"][1]["rule"]["port_range"] == "2376/2376"
    assert reach("computer", two)["reaches"] is False
    assert reach("203.0.113.9", two)["reaches"] is False
    assert reach(one, one)["reason"] == "itself"
    api.call("StopInstance", InstanceId=two)
    api.wait(two, "Stopped")
    assert reach(one, two).items() >= {"reaches": False, "reason": "stopped"}.items()
    for wrong in ("source=x&target=y&port=1", f"source=x&target={two}&port=1", "port=99999"):
        assert browser.ask(f"reach?{wrong}")[0] == 400
    assert browser.ask(f"reach?source={one}&target={two}&port=1&protocol=esp")[0] == 400


def test_what_guests_would_tell_without_guests(browser: Browser) -> None:
    api = Api(browser.cloud)
    (made,) = api.call("RunInstances", api.base(api.group()))["InstanceIdSets"]["InstanceIdSet"]
    assert browser.read(f"containers/{made}") == {"containers": [], "reason": "no guest"}
    assert next(events(browser, f"console/{made}")) == ("all", "")
    assert browser.ask("console/i-nothing")[0] == 404


def test_too_many_pages_are_refused(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routes, "MOST_STREAMS", 2)
    open_ones = [events(browser) for _ in range(2)]
    for each in open_ones:
        next(each)
    assert browser.ask("events")[0] == 503


def test_a_ticket_opens_it_once(cloud: EmbeddedCloud) -> None:
    ticket = RemoteCloud(cloud.endpoint, cloud.access_key_id, cloud.access_key_secret).ticket()
    assert Browser(cloud).open(ticket) == 303
    assert Browser(cloud).open(ticket) == 401


def test_a_cloud_without_a_page(tmp_path: Path) -> None:
    with embedded_cloud(tmp_path / "plain") as plain:
        assert Browser(plain).ask("?token=")[0] == 404


def test_requests_as_code(browser: Browser, tmp_path: Path) -> None:
    """Each way of asking again is carried out, and gets the same answer."""
    cloud = browser.cloud
    api = Api(cloud)
    api.call("DescribeVpcs", {"Tag.1.Key": "a b&c='\"", "Tag.1.Value": "größe"})
    api.refusal("StartInstance", InstanceId="i-$HOME'`id`")
    variables = {
        **os.environ,
        "ECS_ACCESS_KEY_ID": cloud.access_key_id,
        "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
        "ECS_REGION": cloud.region,
        "ECS_API_ENDPOINT": cloud.endpoint,
    }
    described, refused = cloud.log.after()
    for command in ("python", "curl"):
        program = [sys.executable, "-c"] if command == "python" else ["sh", "-c"]
        for one in (described, refused):
            subprocess.run(
                [*program, code_of(one)[command]], env=variables, capture_output=True, timeout=60
            )
            again = cloud.log.after()[-1]
            assert again.number > refused.number
            assert (again.action, again.parameters) == (one.action, one.parameters)
            assert (again.status, again.code) == (one.status, one.code)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["ecsmachine.localcloud.pytest"]\n')
    for number, one in enumerate((described, refused)):
        text = code_of(one)["pytest"]
        (tmp_path / f"test_{number}.py").write_text(text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 passed" in ran.stdout, ran.stdout


def test_a_secret_in_code_is_left_open(cloud: EmbeddedCloud) -> None:
    api = Api(cloud)
    api.call("RunInstances", api.base(api.group()), Password=SECRET)
    texts = code_of(cloud.log.after()[-1])
    assert all("fill in the secrets" in text and SECRET not in text for text in texts.values())


def test_faults_that_others_set_are_seen(browser: Browser) -> None:
    told = events(browser)
    next(told)
    browser.cloud.faults.add(Fault("throttle", rate=5))
    _, data = list(_until(told, lambda data: data.get("faults")))[-1]
    assert data["faults"][0]["kind"] == "throttle"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "cloud"
    daemon.reset(tmp_path / "cloud")


def program(root: Path, *arguments: str, **variables: str) -> int:
    kept = {name: value for name, value in os.environ.items() if name not in _SCREENS}
    return run(["local", *arguments], {**kept, "ECSMACHINE_LOCAL_ROOT": str(root), **variables})


_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def test_it_is_opened_from_the_command_line(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert program(root, "up", "--guests", "none") == 0
    told = capsys.readouterr()
    assert "Watch it in a browser: ecsmachine local open\n" in told.out
    running = daemon.find(root)
    assert running is not None
    token = running.page_token
    assert len(token) > 20
    assert token not in told.out + told.err + repr(running)  # no terminal: it may be a log
    assert program(root, "open") == 0
    told = capsys.readouterr()
    assert told.out == f"{running.endpoint}{PAGE}?token={token}\n"
    assert program(root, "open", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"Page": told.out.strip()}
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert program(root, "open", DISPLAY=":0") == 0
    assert token not in opened[0]  # all users can read a browser's command line
    address = opened[0].removeprefix(running.endpoint)
    for status in (303, 401):
        connection = http.client.HTTPConnection(running.endpoint.removeprefix("http://"))
        connection.request("GET", address)
        assert connection.getresponse().status == status
        connection.close()
    assert token not in (root / "daemon.log").read_text()
    readable = [file for file in root.rglob("*") if file.is_file() and file.stat().st_mode & 0o077]
    assert not [file for file in readable if token.encode() in file.read_bytes()]


@pytest.mark.skipif(sys.platform == "win32", reason="the browser is a script")
def test_who_reads_the_address_does_not_wait_for_the_browser(root: Path, tmp_path: Path) -> None:
    assert program(root, "up", "--guests", "none") == 0
    browser = tmp_path / "browser"
    browser.write_text(
        f"#!/bin/sh\necho noise; echo noise >&2\nsleep 90 & echo $! >{browser}.pid\n"
    )
    browser.chmod(0o700)
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", "local", "open"],
        env={**os.environ, "ECSMACHINE_LOCAL_ROOT": str(root), "BROWSER": str(browser)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    os.kill(int(Path(f"{browser}.pid").read_text()), signal.SIGKILL)
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert f"{PAGE}?token=" in line


def test_no_page(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program(root, "up", "--guests", "none", "--no-page") == 0
    assert "local open" not in capsys.readouterr().out
    assert program(root, "open") == 1
    assert "started with --no-page" in capsys.readouterr().err
    running = daemon.find(root)
    assert running is not None
    connection = http.client.HTTPConnection(running.endpoint.removeprefix("http://"))
    for path in (PAGE, f"{PAGE}events", f"{PAGE}static/page.js"):
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 404
        answer.read()
    connection.close()


def test_a_browser_that_does_not_read_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_SLOWEST_S", 0.05)
    cut: list[Any] = []

    class Cutting(Connections):
        async def cut(self, client: tuple[str, int] | None) -> None:
            cut.append(client)

    async def told() -> AsyncIterator[str]:
        yield "event: changes\n\n"

    async def full(_: Any) -> None:
        await asyncio.sleep(60)

    async def receive() -> Any:
        await asyncio.sleep(60)

    async def served() -> None:
        scope = {"type": "http", "client": ("127.0.0.1", 9), "asgi": {"spec_version": "2.4"}}
        await stream.EventStream(told(), Cutting())(scope, receive, full)

    asyncio.run(served())
    assert set(cut) == {("127.0.0.1", 9)}
