"""Whose rights a machine is looked after with: roles, temporary keys, and changing them."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.drivers.base import State
from ecsmachine.errors import MachineError
from ecsmachine.machine.model import Machine, auth_options
from ecsmachine.machine.store import Store
from tests.api.driver_rig import Rig

SECRET = "keeps-its-own-counsel"


def key_of(rig: Rig) -> dict[str, str]:
    return {
        "access_key_id": rig.cloud.access_key_id,
        "access_key_secret": rig.cloud.access_key_secret,
    }


def home_with(rig: Rig, *profiles: dict[str, Any]) -> dict[str, str]:
    """Write profiles of the aliyun command; return the variables with which they are found."""
    home = rig.store.with_name("home")
    (home / ".aliyun").mkdir(parents=True, exist_ok=True)
    content = {"current": profiles[0]["name"], "profiles": list(profiles)}
    (home / ".aliyun" / "config.json").write_text(json.dumps(content))
    return {"HOME": str(home), "MACHINE_STORAGE_PATH": str(rig.store)}


def stored(rig: Rig, name: str = "dev1", **changes: Any) -> None:
    """Make a machine and put it into the store, as the engine does."""
    driver, _ = rig.create(name)
    config = {**driver.config(), **changes}
    store = Store(rig.store, rig.environment)
    loaded = registry.load("aliyunecs", store.context(name), config)
    store.save(Machine(name=name, driver=loaded, auth=auth_options(rig.store, name)))


def config_of(rig: Rig, name: str = "dev1") -> dict[str, Any]:
    path = rig.store / "machines" / name / "config.json"
    driver: dict[str, Any] = json.loads(path.read_text())["Driver"]
    return driver


def role_of(rig: Rig, **more: Any) -> dict[str, Any]:
    arn = f"acs:ram::{rig.cloud.state.account.id}:role/builder"
    return {"name": "role", "mode": "RamRoleArn", "ram_role_arn": arn, **key_of(rig), **more}


def test_a_role_is_assumed_where_the_machines_are_and_its_key_renewed(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig)
    environment = home_with(rig, role_of(rig, ram_session_name="me"))
    rig.front.bodies.clear()
    assert run(["credentials", "set", "--profile", "role", "dev1"], environment) == 0
    assert "from profile role (account" in capsys.readouterr().out
    assert config_of(rig)["CredentialSource"] == "profile:role"
    assert run(["status", "dev1"], environment) == 0
    assert capsys.readouterr().out == "Running\n"
    assumed = [body for body in rig.front.bodies if body["Action"] == "AssumeRole"]
    assert {body["RoleSessionName"] for body in assumed} == {"me"}
    asked = [body for body in rig.front.bodies if body["Action"] == "DescribeInstances"]
    assert asked
    assert all(body["AccessKeyId"].startswith("STS.") for body in asked)
    # the cloud's clock is ahead: the key is over before we think so
    store = Store(rig.store, environment)
    driver = store.load("dev1").driver
    assert driver.state() is State.RUNNING
    with rig.cloud.state.transaction():
        for session in list(rig.cloud.state.sessions):
            rig.cloud.state.sessions.put(replace(session, expires=1.0))
    assert driver.state() is State.RUNNING


def test_a_ci_job_works_with_a_role_that_trusts_its_token(
    rig: Rig, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    key, ends = rig.driver()._cloud.sts.assume_role(
        role_of(rig)["ram_role_arn"], session_name="job", duration_s=900
    )
    answer = {
        "AccessKeyId": key.access_key_id,
        "AccessKeySecret": key.access_key_secret,
        "SecurityToken": key.security_token,
        "Expiration": datetime.fromtimestamp(ends, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    rig.front.answers["AssumeRoleWithOIDC"] = json.dumps({"Credentials": answer})
    token = tmp_path / "token"
    token.write_text("ey.very-secret.x")
    environment = {
        name: value
        for name, value in rig.program_environment().items()
        if not name.startswith("ECS_ACCESS_KEY")
    }
    environment |= {
        "ALIBABA_CLOUD_ROLE_ARN": role_of(rig)["ram_role_arn"],
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/gitlab",
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(token),
    }
    for command in (
        ["create", "-d", "aliyunecs", "--no-provision", "dev1"],
        ["--debug", "stop", "dev1"],
        ["credentials", "check"],
        ["rm", "-y", "dev1"],
    ):
        assert run(command, environment) == 0, capsys.readouterr().err
        said = capsys.readouterr()
        assert "very-secret" not in said.out + said.err
    token.unlink()
    assert run(["create", "-d", "aliyunecs", "dev2"], environment) == 3
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"ALIBABA_CLOUD_OIDC_TOKEN_FILE ({token}) cannot be used: there is no such file" in line


def test_a_temporary_key_that_is_over_is_one_clear_line(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig)
    sts = rig.driver()._cloud.sts
    arn = f"acs:ram::{rig.cloud.state.account.id}:role/builder"
    key, _ = sts.assume_role(arn, session_name="me", duration_s=900)
    temporary = {
        "name": "temporary",
        "mode": "StsToken",
        "access_key_id": key.access_key_id,
        "access_key_secret": key.access_key_secret,
        "sts_token": key.security_token,
    }
    environment = home_with(rig, temporary)
    assert run(["credentials", "set", "--profile", "temporary", "dev1"], environment) == 0
    with rig.cloud.state.transaction():
        for session in list(rig.cloud.state.sessions):
            rig.cloud.state.sessions.put(replace(session, expires=1.0))
    capsys.readouterr()
    assert run(["status", "dev1"], environment) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "InvalidSecurityToken.Expired" in line
    assert "get a new one" in line
    assert key.security_token not in line


def test_show_and_check_tell_the_source_and_never_the_secret(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig)
    environment = {**rig.environment, "MACHINE_STORAGE_PATH": str(rig.store)}
    account = rig.cloud.state.account.id
    for command in ("show", "check"):
        capsys.readouterr()
        assert run(["credentials", command, "--json"], environment) == 0
        out = capsys.readouterr().out
        (row,) = json.loads(out)
        assert row == {
            "Name": "dev1",
            "Recorded": "environment",
            "Taken": "the environment",
            "Account": account,
        }
        assert rig.cloud.access_key_secret not in out
        assert rig.cloud.access_key_id not in out
    assert run(["credentials", "show", "d*"], environment) == 0
    assert "dev1" in capsys.readouterr().out
    assert run(["credentials", "show", "x*"], environment) == 1
    assert 'No machine matches "x*"' in capsys.readouterr().err


def test_keys_of_docker_machine_are_used_until_others_are_named(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(
        rig,
        AccessKey=rig.cloud.access_key_id,
        SecretKey=rig.cloud.access_key_secret,
        CredentialSource="",
        AccountId="",
    )
    environment = home_with(rig, {"name": "work", "mode": "AK", **key_of(rig)})
    assert run(["credentials", "check"], environment) == 0
    assert "keys in config.json" in capsys.readouterr().out
    assert run(["stop", "dev1"], environment) == 0
    assert config_of(rig)["SecretKey"] == rig.cloud.access_key_secret
    assert run(["credentials", "set", "--profile", "work", "dev1"], environment) == 0
    config = config_of(rig)
    assert (config["AccessKey"], config["SecretKey"]) == ("", "")
    assert config["CredentialSource"] == "profile:work"
    assert config["AccountId"] == rig.cloud.state.account.id
    assert run(["status", "dev1"], environment) == 0


def test_a_kept_key_that_was_deleted_since_is_said_to_be_the_kept_one(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig, AccessKey="LTAI-deleted", SecretKey="of-years-ago")
    environment = {**rig.program_environment(), "MACHINE_STORAGE_PATH": str(rig.store)}
    for command in (["status", "dev1"], ["credentials", "check"], ["rm", "-y", "dev1"]):
        assert run(command, environment) == 1
        said = capsys.readouterr().err
        assert "config.json keeps this key" in said
        assert "--aliyunecs-access-key-id" not in said
    assert run(["doctor", "dev1"], environment) == 1
    assert "the keys in config.json" in capsys.readouterr().out
    # what it says to do
    assert run(["credentials", "set", "--environment", "dev1"], environment) == 0
    assert run(["status", "dev1"], environment) == 0


def test_keys_can_be_stored_for_docker_machine_and_taken_out_again(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig)
    environment = home_with(rig, {"name": "work", "mode": "AK", **key_of(rig)})
    profile = ["--profile", "work"]
    assert run(["credentials", "set", "--store-keys", *profile, "dev1"], environment) == 0
    said = capsys.readouterr()
    assert "in clear" in said.err
    assert rig.cloud.access_key_secret not in said.out + said.err
    config = config_of(rig)
    assert config["AccessKey"] == rig.cloud.access_key_id
    assert config["SecretKey"] == rig.cloud.access_key_secret
    assert (rig.store / "machines" / "dev1" / "config.json").stat().st_mode & 0o077 == 0
    assert run(["status", "dev1"], environment) == 0
    assert run(["credentials", "set", "--forget", "dev1"], environment) == 0
    config = config_of(rig)
    assert (config["AccessKey"], config["SecretKey"]) == ("", "")
    assert config["CredentialSource"] == "profile:work"
    # the source need not be named again
    assert run(["credentials", "set", "--store-keys", "dev1"], environment) == 0
    assert config_of(rig)["SecretKey"] == rig.cloud.access_key_secret


def test_a_key_that_only_create_is_given_is_kept_or_warned_of(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    """GitLab Runner gives the options of its machines to create alone."""
    environment = {**rig.program_environment(), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    given = [
        f"--aliyunecs-access-key-id={environment.pop('ECS_ACCESS_KEY_ID')}",
        f"--aliyunecs-access-key-secret={environment.pop('ECS_ACCESS_KEY_SECRET')}",
    ]
    create = ["create", "-d", "aliyunecs", "--no-provision", *given]
    assert run([*create, "--aliyunecs-store-keys", "dev1"], environment) == 0
    assert "not stored" not in capsys.readouterr().err
    path = rig.store / "machines" / "dev1" / "config.json"
    assert config_of(rig)["SecretKey"] == rig.cloud.access_key_secret
    assert path.stat().st_mode & 0o077 == 0
    for command in (["stop", "dev1"], ["inspect", "dev1"], ["rm", "-y", "dev1"]):
        assert run(command, environment) == 0
        assert rig.cloud.access_key_secret not in capsys.readouterr().out

    assert run([*create, "dev2"], environment) == 0
    assert 'The access key of "dev2" is not stored' in capsys.readouterr().err
    assert config_of(rig, "dev2")["SecretKey"] == ""
    assert run(["rm", "-y", "dev2"], environment) == 2
    kept = {
        "ECS_ACCESS_KEY_ID": rig.cloud.access_key_id,
        "ECS_ACCESS_KEY_SECRET": rig.cloud.access_key_secret,
    }
    capsys.readouterr()
    assert run(["rm", "-y", "dev2"], {**environment, **kept}) == 0
    assert run([*create, "dev3"], {**environment, **kept}) == 0
    assert "not stored" not in capsys.readouterr().err
    token = ["--aliyunecs-security-token", "t", "--aliyunecs-store-keys"]
    assert run([*create, *token, "dev4"], environment) == 1
    assert "is temporary, and would be useless later" in capsys.readouterr().err


def test_credentials_of_another_account_change_nothing(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(rig, AccountId="999")
    environment = home_with(rig, {"name": "work", "mode": "AK", **key_of(rig)})
    assert run(["credentials", "set", "--profile", "work", "dev1"], environment) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"is of account {rig.cloud.state.account.id}" in line
    assert config_of(rig)["CredentialSource"] == "environment"
    assert run(["credentials", "set", "--no-check", "--profile", "work", "dev1"], environment) == 0
    capsys.readouterr()
    assert run(["credentials", "check", "dev1"], environment) == 1
    assert "the machine is of account 999" in capsys.readouterr().err


def test_what_another_account_cannot_see_is_not_told_to_be_gone(rig: Rig) -> None:
    stored(rig, AccountId="999", InstanceId="i-theirs")
    driver = Store(rig.store, rig.environment).load("dev1").driver
    with pytest.raises(MachineError, match="belongs to account 999"):
        driver.state()


@pytest.mark.parametrize(
    ("arguments", "said", "code"),
    [
        (["dev1"], "Say where the credentials come from", 2),
        (["--profile", "work", "--environment", "dev1"], "Give one of", 2),
        (["--forget", "--store-keys", "dev1"], "cannot be used with", 2),
        (["--forget", "--environment", "dev1"], "Give one of", 2),
        (["--profile", "gone", "dev1"], 'no profile "gone"', 2),
        (["--environment", "dev1"], "no credentials in the environment", 2),
        (["--profile", "odd", "dev1"], "mode RsaKeyPair, which is not supported", 1),
        (["--profile", "login", "dev1"], "no temporary key that is still valid", 1),
        (["--profile", "work", "dev9"], '"dev9" does not exist', 1),
        (["--profile", "wrong", "dev1"], "SignatureDoesNotMatch", 1),
    ],
)
def test_what_cannot_be_is_one_line_and_changes_nothing(
    rig: Rig, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str, code: int
) -> None:
    stored(rig)
    environment = home_with(
        rig,
        {"name": "work", "mode": "AK", **key_of(rig)},
        {"name": "odd", "mode": "RsaKeyPair"},
        {"name": "login", "mode": "CloudSSO", **key_of(rig), "sts_expiration": 1},
        {"name": "wrong", "mode": "AK", **key_of(rig), "access_key_secret": SECRET},
    )
    assert run(["credentials", "set", *arguments], environment) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert SECRET not in line
    assert config_of(rig)["CredentialSource"] == "environment"


def test_a_profile_that_is_gone_is_told_once_for_all_machines(
    rig: Rig, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        stored(rig, name, CredentialSource="profile:gone")
    environment = home_with(rig, {"name": "work", "mode": "AK", **key_of(rig)})
    capsys.readouterr()
    assert run(["status", "one", "two"], environment) == 0
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith('Warning: There is no profile "gone"')
    assert 'using those of the profile "work"' in line
    assert captured.out == "Running\nRunning\n"
