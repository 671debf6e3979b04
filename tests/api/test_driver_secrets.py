"""Secrets of the account and the login in what the driver logs, raises and stores."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ecsmachine.errors import MachineError
from tests.api.driver_rig import Rig

PASSWORD = "Marked-Secret-3"
WRONG = "Marked-Wrong-Secret"
TOKEN = "Marked-Security-Token"


class OtherRig(Rig):
    """A rig whose environment has other credentials."""

    changes: dict[str, str]

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.changes}


def other(rig: Rig, **changes: str) -> Rig:
    this = OtherRig(rig.cloud, rig.front, rig.store)
    this.changes = changes
    return this


def test_a_create_and_its_failures_tell_no_secret(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    rig.front.faults["RunInstances"] = ["cut-after", "ServiceUnavailable"]
    driver, _ = rig.create(ssh_password=PASSWORD)
    shown = (driver, driver._context, driver._record, driver._settings, driver.ssh_target())
    said += [*map(repr, shown), str(driver.config())]
    for changes in ({"ECS_ACCESS_KEY_SECRET": WRONG}, {"ECS_SECURITY_TOKEN": TOKEN}):
        with pytest.raises(MachineError) as raised:
            other(rig, **changes).create("dev2", ssh_password=PASSWORD)
        said += [repr(raised.value), str(vars(raised.value))]
    rig.front.faults["RunInstances"] = ["InvalidPassword.Malformed"]
    with pytest.raises(MachineError) as raised:
        rig.create("dev3", ssh_password=PASSWORD)
    said += [repr(raised.value), str(vars(raised.value)), *rig.said, caplog.text]
    assert "RunInstances" in caplog.text
    secrets = (PASSWORD, WRONG, TOKEN, rig.cloud.access_key_secret)
    for text in said:
        assert not any(secret in text for secret in secrets), text
    for path in rig.store.rglob("*"):
        if path.is_file():
            content = path.read_text(errors="replace")
            assert not any(secret in content for secret in secrets), path
            assert "PRIVATE" not in content or path.stat().st_mode & 0o077 == 0, path


def test_the_signature_and_the_secret_never_stand_in_an_address(rig: Rig) -> None:
    rig.create(ssh_password=PASSWORD)
    assert set(rig.front.urls) == {"/"}
    sent = [body for body in rig.front.bodies if "Password" in body]
    assert [body["Action"] for body in sent] == ["RunInstances"]
    assert not any(rig.cloud.access_key_secret in str(body) for body in rig.front.bodies)


def test_a_key_of_the_user_that_others_can_read_is_refused(rig: Rig, tmp_path: Path) -> None:
    from ecsmachine.ssh.keys import ensure_key_pair

    key = tmp_path / "their key"
    ensure_key_pair(key, "theirs")
    key.chmod(0o644)
    driver = rig.driver(ssh_keypath=str(key))
    with pytest.raises(MachineError, match="too open: 0644") as raised:
        driver.pre_create_check(rig.report)
    assert raised.value.hint == f"chmod 600 '{key}'"
    assert rig.left() == {}
