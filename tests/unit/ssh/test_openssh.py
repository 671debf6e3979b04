"""What OpenSSH is given: one value each, whatever the store, a file or a cloud held."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ecsmachine.errors import MachineError
from ecsmachine.ssh import kept
from ecsmachine.ssh.interactive import ssh_command
from ecsmachine.ssh.openssh import KnownHost, configuration, configuration_file
from ecsmachine.ssh.target import SSHTarget

PIN = Path("/store/machines/dev1/known_hosts")
AWKWARD = st.text() | st.sampled_from(
    [
        *(
            "198.18.205.2\n    ProxyCommand touch /tmp/x",
            "h\nMatch exec id",
            "h\r",
            "-oProxyCommand=x",
        ),
        *("", " ", "a b", "h#", '"', "'", "%h", "fe80::1%eth0", "h\u2028x", "é.example", "*", "!h"),
    ]
)


def test_configurations_of_programs_that_were_killed_do_not_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(kept, "BASE", str(tmp_path))
    with configuration_file([]) as path:
        folder = path.parent.parent
        old, new, other = (folder / name for name in ("ecsmachine-a", "ecsmachine-b", "c.ssh"))
        for left in (old, new, other):
            left.mkdir()
        for left in (old, other):
            os.utime(left, (0, 0))
        with configuration_file([]):
            assert path.exists()
    assert set(folder.iterdir()) == {new, other}
    assert folder.parent == tmp_path


def options_of(host: KnownHost) -> dict[str, str]:
    """Return what the ssh program understands of a configuration (``ssh -G``)."""
    with configuration_file([host]) as path:
        done = subprocess.run(
            ["ssh", "-F", path, "-G", host.alias], capture_output=True, text=True, check=True
        )
    pairs = (line.partition(" ") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs}


@given(host=AWKWARD, user=AWKWARD, key=AWKWARD, name=AWKWARD)
@example(host="198.18.205.2\n    ProxyCommand touch /tmp/x", user="root", key="k", name="dev1")
@example(host="198.18.0.2", user="root\n    ProxyCommand touch /tmp/x", key="k", name="dev1")
@example(host="198.18.0.2", user="root", key="k\nMatch exec id", name="dev1")
@example(host="198.18.0.2", user="root", key='k" "x', name="dev1")
@example(host="198.18.0.2", user="root", key="k", name="dev1\nHost *")
@example(host="198.18.0.2", user="root", key="k", name="*")
def test_every_line_is_one_option_or_nothing_is_written(
    host: str, user: str, key: str, name: str
) -> None:
    target = SSHTarget(host, 22, user, key_path=Path(f"/keys/{key}"))
    known = KnownHost(target, PIN.parent.with_name("x" + name.replace("/", "")) / "known_hosts")
    try:
        lines = configuration([known]).splitlines()
    except MachineError as error:
        assert "OpenSSH cannot be given" in error.message
        with pytest.raises(MachineError), ssh_command(target, known.pin_path):
            pass
        return
    assert [line.split()[0] for line in lines] == [
        *("Host", "HostName", "Port", "User", "ConnectTimeout", "HostKeyAlias", "LogLevel"),
        *("PasswordAuthentication", "ServerAliveInterval", "StrictHostKeyChecking"),
        *("UpdateHostKeys", "UserKnownHostsFile", "IdentitiesOnly", "IdentityFile"),
    ]
    with ssh_command(target, known.pin_path) as command:
        pass
    assert command[-1] == f"{user}@{host}"
    assert not any("\n" in word for word in command)


@pytest.mark.skipif(not shutil.which("ssh"), reason="no ssh program")
@pytest.mark.parametrize(
    ("host", "user"),
    [("fe80::1%eth0", "root"), ("2001:db8::1", "CORP\\me"), ("dev1.example", "a.b@c")],
)
def test_ssh_understands_what_is_written(host: str, user: str, tmp_path: Path) -> None:
    pin = tmp_path / "50% of it" / "dev1" / "known_hosts"
    key = tmp_path / "a b" / "id_rsa"
    found = options_of(KnownHost(SSHTarget(host, 2222, user, key_path=key), pin))
    assert (found["hostname"], found["port"], found["user"]) == (host, "2222", user)
    assert found["userknownhostsfile"] == str(pin)
    assert found["identityfile"] == str(key)
    assert found.get("proxycommand", "none") == "none"
