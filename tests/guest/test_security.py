"""What an attacker would look for: words that run, keys that changed, secrets that show."""

from __future__ import annotations

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509

from tests.guest.conftest import Cloud
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

PASSWORD = "Marked-Secret-9"
PASSPHRASE = "marked pass phrase"
MARK = "injected-marker"
ODD = [
    f"$(touch /tmp/{MARK})",
    f"`touch /tmp/{MARK}`",
    f"; touch /tmp/{MARK} ;",
    f"' ; touch /tmp/{MARK} ; '",
    f'" ; touch /tmp/{MARK} ; "',
    f"| touch /tmp/{MARK} &",
    "a b  c",
    'it\'s "quoted" \\ back%n %% $HOME ${HOME} ~ * ?',
    "ünï ☃",
]


@dataclass
class Watch:
    """What ran with a secret on its command line, or in an environment that is not its own."""

    secrets: list[str]
    seen: list[str] = field(default_factory=list)
    looks: int = 0
    own: set[int] = field(default_factory=set)
    before: set[Path] = field(default_factory=lambda: _processes())

    def look(self) -> None:
        self.looks += 1
        for process in _processes() - self.before:
            try:
                texts = {
                    name: (process / name).read_text(errors="replace").replace("\0", " ")
                    for name in ("cmdline", "environ")
                }
            except OSError:
                continue
            for name, text in texts.items():
                for secret in self.secrets:
                    if secret in text and not (name == "environ" and self._is_ours(process)):
                        program = texts["cmdline"][:200]
                        self.seen.append(f"{process.name} {name} of {program}: {text[:200]}")

    def _is_ours(self, process: Path) -> bool:
        """Whether it is the program, or a child of it: they are given the secret."""
        number = int(process.name)
        if number in self.own:
            return True
        try:
            status = (process / "status").read_text()
        except OSError:
            return True
        parent = int(re.search(r"^PPid:\s+(\d+)", status, re.MULTILINE)[1])  # type: ignore[index]
        if parent in self.own:
            self.own.add(number)
            return True
        return False


def _processes() -> set[Path]:
    return set(Path("/proc").glob("[0-9]*"))


@contextmanager
def watching(secrets: list[str], process: subprocess.Popen[str]) -> Iterator[Watch]:
    """Look at all processes again and again while one runs."""
    watch = Watch(secrets, own={process.pid})
    watch.before.discard(Path("/proc") / str(process.pid))
    ended = threading.Event()

    def watch_on() -> None:
        while not ended.wait(0.05):
            watch.look()

    thread = threading.Thread(target=watch_on)
    thread.start()
    try:
        yield watch
    finally:
        ended.set()
        thread.join()


@dataclass
class Said:
    """All that the program printed, with and without --debug."""

    texts: list[str] = field(default_factory=list)

    def run(self, machines: Machines, *arguments: str, **environment: str) -> str:
        done = machines.run(*arguments, environment=environment, check=False)
        self.texts.append(done.stdout + done.stderr)
        return self.texts[-1]


@pytest.fixture(scope="module")
def said() -> Said:
    return Said()


@pytest.fixture(scope="module")
def account_secret(machines: Machines) -> str:
    return machines.environment["ECS_ACCESS_KEY_SECRET"]


@pytest.fixture(scope="module")
def sec(bare_machines: Machines, said: Said, account_secret: str) -> Iterator[str]:
    """A machine with odd words wherever words can be given, made while processes are watched.

    The engine is installed on it: the script of that sees the words as well.
    """
    words = ["--debug", "create", "--aliyunecs-description", f"odd {ODD[0]} {ODD[4]}"]
    for number, odd in enumerate(ODD):
        words += ["--engine-label", f"odd{number}={odd}", "--engine-env", f"ODD{number}={odd}"]
        words += ["--aliyunecs-tag", f"odd{number}={odd}"]
    bare_machines.environment["ECS_SSH_PASSWORD"] = PASSWORD
    process = bare_machines.start(*words, "sec")
    with watching([PASSWORD, account_secret], process) as watch:
        out, errors = process.communicate(timeout=240)
    del bare_machines.environment["ECS_SSH_PASSWORD"]
    assert process.returncode == 0, errors
    said.texts += [out, errors]
    assert watch.looks > 10
    assert watch.seen == []
    yield "sec"
    bare_machines.run("rm", "-y", "sec")
    assert bare_machines.left_in_the_cloud() == []


def folder_of(machines: Machines, name: str) -> Path:
    return Path(machines.environment["MACHINE_STORAGE_PATH"]) / "machines" / name


def test_odd_words_arrive_as_they_were_given(machines: Machines, sec: str, docker: str) -> None:
    script = (
        f'eval "$({machines.program} env --shell bash {sec})" && '
        f"{docker} info --format '{{{{json .Labels}}}}'"
    )
    labels = dict(label.split("=", 1) for label in json.loads(machines.shell(script)))
    assert [labels[f"odd{number}"] for number in range(len(ODD))] == ODD
    environ = machines.run(
        "ssh", sec, "tr '\\0' '\\n' < /proc/$(pidof -s dockerd)/environ"
    ).stdout.splitlines()
    variables = dict(line.split("=", 1) for line in environ if "=" in line)
    assert [variables[f"ODD{number}"] for number in range(len(ODD))] == ODD
    (instance,) = machines.ecs("DescribeInstances")["Instances"]["Instance"]
    tags = {tag["TagKey"]: tag["TagValue"] for tag in instance["Tags"]["Tag"]}
    assert [tags[f"odd{number}"] for number in range(len(ODD))] == [odd.strip() for odd in ODD]


def test_nothing_in_them_was_run(machines: Machines, sec: str) -> None:
    machines.run("restart", sec)
    for line in machines.run("ssh", sec, f"find / -xdev -name '*{MARK}*'").stdout.splitlines():
        raise AssertionError(line)
    assert not Path(f"/tmp/{MARK}").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--engine-label", f"a=b\n[Service]\nExecStartPre=/usr/bin/touch /tmp/{MARK}"),
        ("--engine-env", f"A=b\nExecStartPre=/usr/bin/touch /tmp/{MARK}"),
        ("--engine-opt", f"label=a\nExecStartPre=/usr/bin/touch /tmp/{MARK}"),
        ("--tls-san", f"$(touch /tmp/{MARK})\u00e9"),
        ("--engine-install-url", f"file:///etc/passwd; touch /tmp/{MARK}"),
    ],
    ids=lambda words: words[0],
)
def test_what_cannot_be_quoted_is_refused(
    machines: Machines, sec: str, words: tuple[str, str]
) -> None:
    refused = machines.run("create", *words, "refused", check=False)
    assert refused.returncode in (1, 2, 3)
    assert refused.stderr.splitlines()[-1].startswith("Error: ")
    assert machines.run("ls", "-q").stdout == f"{sec}\n"
    assert not Path(f"/tmp/{MARK}").exists()


@pytest.mark.parametrize("name", [f"$(touch /tmp/{MARK})", "a;b", "../up", "a b", "-x", "a\nb"])
def test_names_that_are_none_are_refused(machines: Machines, sec: str, name: str) -> None:
    refused = machines.run("create", "--", name, check=False)
    assert refused.returncode == 2
    assert not Path(f"/tmp/{MARK}").exists()
    for command in ("inspect", "status", "ssh", "export"):
        assert machines.run(command, "--", name, check=False).returncode != 0


def test_the_certificate_names_the_machine_and_its_addresses(machines: Machines, sec: str) -> None:
    config = json.loads(machines.run("inspect", sec).stdout)["Driver"]
    certificate = x509.load_pem_x509_certificate(
        (folder_of(machines, sec) / "server.pem").read_bytes()
    )
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sec in names.get_values_for_type(x509.DNSName)
    addresses = {str(each) for each in names.get_values_for_type(x509.IPAddress)}
    assert {config["IPAddress"], config["PrivateIPAddress"]} <= addresses


def test_the_engine_takes_no_tls_below_1_2_and_no_stranger(machines: Machines, sec: str) -> None:
    folder = folder_of(machines, sec)
    host = machines.run("ip", sec).stdout.strip()

    def connect(oldest: ssl.TLSVersion, newest: ssl.TLSVersion, *, known: bool = True) -> bytes:
        import socket

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = oldest, newest
        context.load_verify_locations(folder / "ca.pem")
        if known:
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        with (
            socket.create_connection((host, 2376), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as secured,
        ):
            secured.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return secured.recv(1024)

    assert b"200 OK" in connect(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
    with pytest.warns(DeprecationWarning), pytest.raises((ssl.SSLError, ConnectionError)):
        connect(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3, known=False)


@pytest.mark.parametrize("client", ["--native-ssh", "--debug"])
def test_a_host_that_was_installed_anew_is_not_talked_to(
    machines: Machines, sec: str, said: Said, client: str
) -> None:
    machines.run(
        "ssh", sec, "rm /etc/ssh/ssh_host_*; ssh-keygen -A >/dev/null; systemctl restart ssh"
    )
    # a connection that is kept is still with the host as it was
    anew = Machines({**machines.environment, "MACHINE_SSH_CONTROL_PERSIST": "0"})
    stopped = anew.run(client, "ssh", sec, "true", check=False)
    assert stopped.returncode != 0
    last = stopped.stderr.splitlines()[-1]
    assert last.startswith("Error: The host key of ") and last.endswith("ecsmachine trust sec")
    said.run(machines, "trust", "-y", sec)
    assert machines.run(client, "ssh", sec, "echo back").stdout == "back\n"


def test_no_secret_shows_anywhere(
    machines: Machines,
    sec: str,
    said: Said,
    account_secret: str,
    local_cloud: Cloud,
    tmp_path: Path,
) -> None:
    folder = folder_of(machines, sec)
    wrong = "Marked-Wrong-Account-Secret"
    token = "Marked-Security-Token"
    proxy = "Marked-Proxy-Password"
    keys = [
        path.read_text().splitlines()[1]
        for path in (folder / "id_rsa", folder / "key.pem", folder / "server-key.pem")
    ]
    keys.append((folder.parents[1] / "certs" / "ca-key.pem").read_text().splitlines()[1])
    for debug in ((), ("--debug",)):
        for command in ("ls", f"inspect {sec}", f"env {sec}", f"status {sec}", f"ssh {sec} true"):
            said.run(machines, *debug, *command.split())
        # a signature that is refused, a token that is none, a cloud that is not there
        check = (*debug, "credentials", "check", sec)
        said.run(machines, *check, ECS_ACCESS_KEY_SECRET=wrong)
        said.run(machines, *check, ECS_SECURITY_TOKEN=token)
        unreachable = {"ECS_API_ENDPOINT": "http://127.0.0.1:9", "ECS_SSH_PASSWORD": PASSWORD}
        said.run(machines, *debug, "create", "cut", **unreachable)
        said.run(
            machines,
            *(*debug, "create", "cut"),
            **unreachable,
            HTTP_PROXY=f"http://user:{proxy}@127.0.0.1:9",
            NO_PROXY="",
        )
        # an engine that does not start: the failure of a command on the host
        said.run(
            machines,
            *(*debug, "create", "--engine-opt", "no-such-flag=1", "broken"),
            ECS_SSH_PASSWORD=PASSWORD,
        )
        file = str(tmp_path / f"exported{len(debug)}")
        said.run(machines, *debug, "export", sec, file, ECSMACHINE_PASSPHRASE=PASSPHRASE)
        said.run(machines, *debug, "import", file, ECSMACHINE_PASSPHRASE=f"{PASSPHRASE}!")
        said.run(machines, *debug, "sweep", "--dry-run")
    assert any("no-such-flag" in text for text in said.texts)
    assert any("SignatureDoesNotMatch" in text for text in said.texts)
    secrets = [PASSWORD, PASSPHRASE, account_secret, wrong, token, proxy]
    for text in said.texts:
        for secret in (*secrets, *keys):
            assert secret not in text, text
    store = Path(machines.environment["MACHINE_STORAGE_PATH"])
    for path in store.rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path
            continue
        content = path.read_text(errors="replace")
        assert not any(secret in content for secret in secrets), path
        if any(key in content for key in keys):
            assert path.stat().st_mode & 0o777 == 0o600, path
    log = (local_cloud.root / "daemon.log").read_text(errors="replace")
    assert not any(secret in log for secret in (*secrets, *keys))
    assert local_cloud.root.stat().st_mode & 0o077 == 0
    # on the host: neither in its logs, nor in what others may read
    pattern = "|".join(re.escape(secret) for secret in (PASSWORD, keys[0], keys[2]))
    found = machines.run(
        "ssh",
        sec,
        f"grep -rlaE '{pattern}' /var/log /run/log /tmp /root /home /etc 2>/dev/null; "
        f"journalctl --no-pager | grep -cE '{pattern}'",
        check=False,
    ).stdout.split()
    assert found == ["/etc/docker/server-key.pem", "0"]
