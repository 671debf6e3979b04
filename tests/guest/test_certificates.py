"""The life of certificates, with real engines: clocks that differ, files replaced by hand."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ecsmachine.machine import certificates, issuing
from ecsmachine.machine.model import auth_options
from tests.guest.machines import Machines

pytestmark = pytest.mark.guest

FOREIGN = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=foreign "
    "-keyout /tmp/key.pem -out /tmp/cert.pem -days 9 2>/dev/null && cd /etc/docker && "
    "cp -p ca.pem server.pem server-key.pem /tmp/ && "
)


@pytest.fixture(scope="module")
def life(machines: Machines) -> Iterator[str]:
    """A machine whose create ran with a clock that is twelve minutes ahead, where one can be."""
    ahead = ["faketime", "-f", "+12m"] if shutil.which("faketime") else []
    done = subprocess.run(
        [*ahead, machines.program, "create", "life"],
        capture_output=True,
        text=True,
        timeout=240,
        env=machines.environment,
    )
    assert done.returncode == 0, done.stderr
    yield "life"
    machines.run("rm", "-f", "life", check=False)


def errors(machines: Machines, name: str) -> str:
    return machines.run("ls", "--filter", f"name={name}", "-f", "{{.Error}}").stdout.strip()


def test_a_machine_that_was_made_with_a_clock_ahead_is_in_order(
    machines: Machines, life: str
) -> None:
    assert errors(machines, life) == ""
    assert machines.run("env", life).returncode == 0


@pytest.mark.parametrize(
    ("replace", "put_back", "said"),
    [
        ("cp /tmp/cert.pem server.pem; cp /tmp/key.pem server-key.pem", "", "from another CA"),
        (
            "cp /tmp/cert.pem server.pem; cp /tmp/key.pem server-key.pem",
            "cp -p /tmp/server.pem /tmp/server-key.pem .",
            "from another CA",
        ),
        ("cp /tmp/cert.pem ca.pem", "cp -p /tmp/ca.pem .", "rejects the client"),
    ],
    ids=["server", "server, the files put back", "CA, the file put back"],
)
def test_what_was_replaced_by_hand_is_put_back(
    replace: str, put_back: str, said: str, machines: Machines, life: str
) -> None:
    script = f"{FOREIGN}{replace}; systemctl restart docker; {put_back or ':'}"
    machines.run("ssh", life, script)
    seen = errors(machines, life)
    assert said in seen or "has another CA" in seen
    machines.run("provision", life)
    assert errors(machines, life) == ""


def test_a_ca_that_has_expired_is_renewed_with_its_key(machines: Machines, life: str) -> None:
    auth = auth_options(Path(machines.environment["MACHINE_STORAGE_PATH"]), life)
    with pytest.MonkeyPatch.context() as past:
        past.setattr(issuing, "_LIFETIME", timedelta(hours=1))
        there = certificates._load_ca(auth)
        ended = certificates._self_signed(auth, there.key, there.certificate)
        certificates._write([ended, certificates._new_client(auth, ended)])
    certificates.copy_client_certificates(auth)
    assert '"ecsmachine regenerate-certs life"' in errors(machines, life)
    advised = machines.run("env", life, check=False)
    assert '"ecsmachine regenerate-certs life" renews it' in advised.stderr
    machines.run("regenerate-certs", "-f", life)
    assert errors(machines, life) == ""
