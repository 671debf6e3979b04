from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecsmachine.aliyun import credentials as credentials_module
from ecsmachine.aliyun import metadata, profiles
from ecsmachine.aliyun.access_key import ApiAddress, Credentials
from ecsmachine.aliyun.credentials import CredentialFlags, provider_of, resolve
from ecsmachine.aliyun.errors import MissingCredentialsError
from ecsmachine.errors import MachineError, UsageError

ECS = {"ECS_ACCESS_KEY_ID": "ecs-id", "ECS_ACCESS_KEY_SECRET": "ecs-secret"}
ALIBABA = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "ali-id",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "ali-secret",
    "ALIBABA_CLOUD_SECURITY_TOKEN": "ali-token",
}
FLAGS = CredentialFlags("flag-id", "flag-secret")


@pytest.fixture(autouse=True)
def not_on_an_ecs_instance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(credentials_module, "_DMI_VENDOR", tmp_path / "none")


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


def write_profiles(home: dict[str, str], *items: dict[str, Any], current: str = "default") -> Path:
    path = Path(home["HOME"]) / ".aliyun" / "config.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"current": current, "profiles": list(items)}))
    return path


AK = {"name": "default", "mode": "AK", "access_key_id": "p-id", "access_key_secret": "p-secret"}


def test_the_order_is_flags_ecs_alibaba_cloud_profile(home: dict[str, str]) -> None:
    write_profiles(home, AK)
    everything = {**home, **ECS, **ALIBABA}
    assert resolve(FLAGS, everything).current() == Credentials("flag-id", "flag-secret")
    assert resolve(CredentialFlags(), everything).current() == Credentials("ecs-id", "ecs-secret")
    without_ecs = {**home, **ALIBABA}
    assert resolve(CredentialFlags(), without_ecs).current() == Credentials(
        "ali-id", "ali-secret", "ali-token"
    )
    assert resolve(CredentialFlags(), home).current() == Credentials("p-id", "p-secret")


def test_the_reference_names_the_source_and_no_secret(home: dict[str, str]) -> None:
    write_profiles(home, AK)
    assert resolve(FLAGS, home).reference == "flags"
    assert resolve(CredentialFlags(), {**home, **ECS}).reference == "environment"
    assert resolve(CredentialFlags(), home).reference == "profile:default"


def test_none_at_all_names_flags_and_variables(home: dict[str, str]) -> None:
    with pytest.raises(MissingCredentialsError) as caught:
        resolve(CredentialFlags(named=("--the-id", "--the-secret")), home)
    assert caught.value.exit_code == 2
    for name in ("ECS_ACCESS_KEY_ID", "--the-id and --the-secret", "aliyun configure"):
        assert name in (caught.value.hint or "")


@pytest.mark.parametrize("missing", ["ECS_ACCESS_KEY_ID", "ECS_ACCESS_KEY_SECRET"])
def test_half_a_pair_names_the_other_half(home: dict[str, str], missing: str) -> None:
    environment = {**home, **ECS}
    del environment[missing]
    with pytest.raises(UsageError, match=f"not {missing}"):
        resolve(CredentialFlags(), environment)


def test_a_key_with_blanks_in_it_is_refused_without_being_shown(home: dict[str, str]) -> None:
    environment = {**home, **ECS, "ECS_ACCESS_KEY_SECRET": "two words"}
    with pytest.raises(UsageError) as caught:
        resolve(CredentialFlags(), environment)
    assert "two words" not in str(caught.value)


def test_a_named_profile_comes_before_variables(home: dict[str, str]) -> None:
    write_profiles(home, AK, {**AK, "name": "other", "access_key_id": "o-id"})
    found = resolve(CredentialFlags(profile="other"), {**home, **ALIBABA})
    assert found.current().access_key_id == "o-id"


def test_a_machines_own_profile_comes_before_alibaba_cloud_but_not_before_ecs(
    home: dict[str, str],
) -> None:
    write_profiles(home, AK, {**AK, "name": "other", "access_key_id": "o-id"})
    found = resolve(CredentialFlags(), {**home, **ALIBABA}, reference="profile:other")
    assert found.current().access_key_id == "o-id"
    found = resolve(CredentialFlags(), {**home, **ECS}, reference="profile:other")
    assert found.current().access_key_id == "ecs-id"


def test_what_settings_refer_to_comes_after_variables_and_before_the_current_profile(
    home: dict[str, str],
) -> None:
    team = {**AK, "name": "team", "access_key_id": "team-id"}
    write_profiles(home, AK, team, {**AK, "name": "machine", "access_key_id": "machine-id"})
    settings = {**home, "ECSMACHINE_CREDENTIALS": "profile:team"}

    def taken(variables: dict[str, str], reference: str = "") -> str:
        return resolve(CredentialFlags(), variables, reference=reference).current().access_key_id

    assert taken(settings) == "team-id"
    assert resolve(CredentialFlags(), settings).reference == "profile:team"
    assert taken({**settings, **ALIBABA}) == "ali-id"
    assert taken({**settings, **ECS}) == "ecs-id"
    assert taken(settings, reference="profile:machine") == "machine-id"
    assert taken({**settings, "ALIBABA_CLOUD_PROFILE": "default"}) == "p-id"
    with pytest.raises(MissingCredentialsError):  # and nobody else's are taken in their place
        taken({**home, "ECSMACHINE_CREDENTIALS": "profile:nope"})
    for wrong in ("team", "environment", "AK:x"):
        with pytest.raises(UsageError, match="names no source of credentials"):
            taken({**home, "ECSMACHINE_CREDENTIALS": wrong})


def test_an_sts_profile_has_its_token(home: dict[str, str]) -> None:
    write_profiles(home, {**AK, "mode": "StsToken", "sts_token": "tok"})
    assert resolve(CredentialFlags(), home).current().security_token == "tok"


def test_the_current_profile_is_taken(home: dict[str, str]) -> None:
    write_profiles(home, AK, {**AK, "name": "work", "access_key_id": "w-id"}, current="work")
    assert resolve(CredentialFlags(), home).current().access_key_id == "w-id"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "holds an array"),
        ('{"profiles": []}', 'no profile "default"'),
        ('{"profiles": [{"name": "default", "mode": "RsaKeyPair"}]}', "mode RsaKeyPair"),
        ('{"profiles": [{"name": "default", "mode": "OIDC"}]}', "names no ram_role_arn"),
        (
            '{"profiles": [{"name": "default", "mode": "RamRoleArn", "access_key_id": "a", '
            '"access_key_secret": "b", "ram_role_arn": "acs:ram::1:role/r", '
            '"expired_seconds": "soon"}]}',
            r"profiles\[0\].expired_seconds: \"soon\" is not a whole number",
        ),
        (
            '{"profiles": [{"name": "default", "mode": "RamRoleArn", "access_key_id": "a", '
            '"access_key_secret": "b"}]}',
            "names no ram_role_arn",
        ),
        (
            '{"profiles": [{"name": "default", "mode": "ChainableRamRoleArn", '
            '"source_profile": "default"}]}',
            "no usable source_profile",
        ),
    ],
)
def test_a_damaged_file_is_one_clear_line(home: dict[str, str], content: str, message: str) -> None:
    write_profiles(home, AK).write_text(content)
    with pytest.raises(MachineError, match=message):
        resolve(CredentialFlags(), home)


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that makes a program of shell words, and returns the command for it."""

    def make(words: str) -> str:
        path = tmp_path / "a program"
        path.write_text(f"#!/bin/sh\n{words}\n")
        path.chmod(0o700)
        return f"'{path}' --for ecs"

    return make


def key_of(home: dict[str, str]) -> Credentials:
    return resolve(CredentialFlags(), home).current()


def test_a_mode_is_known_however_it_is_written(home: dict[str, str]) -> None:
    for mode in ("ak", "", "STSTOKEN"):
        write_profiles(home, {**AK, "mode": mode})
        assert key_of(home) == Credentials("p-id", "p-secret")


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a script of a shell")
def test_a_program_is_asked_anew_when_its_key_has_expired(
    home: dict[str, str], program: Callable[[str], str], tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    command = program(
        f"echo \"$@\" >> '{asked}'; n=$(wc -l < '{asked}')\n"
        'printf \'{"access_key_id": "id%s", "access_key_secret": "s", "sts_token": "t"}\' $n'
    )
    write_profiles(home, {**AK, "mode": "External", "process_command": command})
    found = resolve(CredentialFlags(), {**home, "PATH": os.environ["PATH"]})
    assert found.reference == "profile:default"
    for _ in range(2):
        assert found.current() == Credentials("id1", "s", "t")
    assert found.renew()
    assert found.current() == Credentials("id2", "s", "t")
    again = resolve(CredentialFlags(), {**home, "PATH": os.environ["PATH"]})
    assert again.current() == Credentials("id2", "s", "t")
    assert asked.read_text() == "--for ecs\n" * 2


@pytest.mark.skipif(sys.platform == "win32", reason="the program is a script of a shell")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("echo very-secret; exit 3", "failed with status 3"),
        ("echo very-secret", "without a usable answer: it is not JSON"),
        ("echo '{}'", "prints no credentials"),
        ('echo \'{"mode": "External"}\'', "names another one"),
    ],
)
def test_a_program_without_a_key_is_one_clear_line(
    home: dict[str, str], program: Callable[[str], str], words: str, message: str
) -> None:
    profile = {"name": "default", "mode": "External", "process_command": program(words)}
    write_profiles(home, profile)
    with pytest.raises(MachineError, match=message) as caught:
        key_of({**home, "PATH": os.environ["PATH"]})
    assert "very-secret" not in f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize("command", ["", "'", "/nowhere/to/be/found"])
def test_a_program_that_cannot_run_is_one_clear_line(home: dict[str, str], command: str) -> None:
    write_profiles(home, {"name": "default", "mode": "External", "process_command": command})
    with pytest.raises(MachineError, match="has a process_command that cannot run"):
        key_of(home)


@pytest.mark.parametrize("mode", ["External", "CredentialsURI"])
def test_programs_and_addresses_can_be_disabled(home: dict[str, str], mode: str) -> None:
    write_profiles(home, {"name": "default", "mode": mode, "process_command": "true"})
    with pytest.raises(MachineError, match="which is disabled"):
        key_of({**home, "ALIBABA_CLOUD_DISABLE_EXTERNAL_PROCESS": "True"})


@pytest.mark.parametrize("named_by", ["profile", "variable"])
def test_an_address_answers_with_a_temporary_key(
    home: dict[str, str], peer: Any, make_answer: Any, named_by: str
) -> None:
    key = {"AccessKeyId": "u-id", "AccessKeySecret": "s", "SecurityToken": "t"}
    ends = {"Expiration": "2999-01-01T00:00:00Z"}
    peer.answers = [make_answer(content={"Code": "Success", **key, **ends})]
    uri = f"{peer.address}/key?for=ecs"
    write_profiles(
        home,
        {"name": "default", "mode": "CredentialsURI", "credentials_uri": uri}
        if named_by == "profile"
        else {"name": "default", "mode": "CredentialsURI"},
    )
    variable = {} if named_by == "profile" else {"ALIBABA_CLOUD_CREDENTIALS_URI": uri}
    assert key_of({**home, **variable}) == Credentials("u-id", "s", "t")
    assert [asked.path for asked in peer.asked] == ["/key?for=ecs"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ({"content": {"Code": "Expired"}}, "refuses: 200 Expired"),
        ({"status": 403, "content": {}}, "refuses: 403"),
        ({"content": {"Code": "Success"}}, "AccessKeyId is missing"),
        ({"cut": True}, "does not answer"),
    ],
)
def test_an_address_without_a_key_is_one_clear_line(
    home: dict[str, str], peer: Any, make_answer: Any, answer: dict[str, Any], message: str
) -> None:
    peer.answers = [make_answer(**answer)]
    uri = f"{peer.address}/?token=very-secret"
    write_profiles(home, {"name": "default", "mode": "CredentialsURI", "credentials_uri": uri})
    with pytest.raises(MachineError, match=message) as caught:
        key_of(home)
    assert "very-secret" not in f"{caught.value.message} {caught.value.hint}"


TOKEN_ROLE = {
    "ram_role_arn": "acs:ram::1:role/ci",
    "oidc_provider_arn": "acs:ram::1:oidc-provider/gitlab",
    "ram_session_name": "job",
}


def oidc(home: dict[str, str], named_by: str, token: Path, sts: str) -> dict[str, str]:
    """Return variables with which a role is assumed with a token, by a profile or directly."""
    if named_by == "profile":
        profile = {"name": "default", "mode": "OIDC", **TOKEN_ROLE, "sts_endpoint": sts}
        write_profiles(home, {**profile, "oidc_token_file": str(token)})
        return home
    return {
        **home,
        "ALIBABA_CLOUD_ROLE_ARN": TOKEN_ROLE["ram_role_arn"],
        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": TOKEN_ROLE["oidc_provider_arn"],
        "ALIBABA_CLOUD_OIDC_TOKEN_FILE": str(token),
        "ALIBABA_CLOUD_ROLE_SESSION_NAME": "job",
    }


@pytest.mark.parametrize("named_by", ["profile", "environment"])
def test_a_role_is_assumed_with_the_token_of_a_ci_job(
    home: dict[str, str], peer: Any, make_answer: Any, tmp_path: Path, named_by: str
) -> None:
    def answer(number: int) -> Any:
        key = {"AccessKeyId": f"STS.{number}", "AccessKeySecret": "s", "SecurityToken": "t"}
        return make_answer(content={"Credentials": {**key, "Expiration": "2999-01-01T00:00:00Z"}})

    peer.answers = [answer(1), answer(2)]
    token = tmp_path / "token"
    token.write_text("ey.first.x\n")
    environment = oidc(home, named_by, token, peer.address)
    found = resolve(CredentialFlags(), environment, sts=ApiAddress(peer.address))
    assert found.reference == ("profile:default" if named_by == "profile" else "environment")
    assert provider_of(found.reference, environment, sts=ApiAddress(peer.address)) is not None
    for _ in range(2):
        assert found.current() == Credentials("STS.1", "s", "t")
    token.write_text("ey.second.x")  # whoever issues it has renewed it
    assert found.renew()
    assert found.current() == Credentials("STS.2", "s", "t")
    first, second = (asked.body for asked in peer.asked)
    assert (first["OIDCToken"], second["OIDCToken"]) == ("ey.first.x", "ey.second.x")
    assert first["Action"] == "AssumeRoleWithOIDC"
    assert first["RoleArn"] == TOKEN_ROLE["ram_role_arn"]
    assert first["OIDCProviderArn"] == TOKEN_ROLE["oidc_provider_arn"]
    assert first["RoleSessionName"] == "job"
    assert not {"AccessKeyId", "Signature", "SecurityToken"} & first.keys()


@pytest.mark.parametrize("named_by", ["profile", "environment"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "holds no token"),
        (b"two words", "holds no token"),
        (b"\xff", "holds no token"),
        (b"x" * 20_000, "longer than 16 KiB"),
    ],
)
def test_a_token_that_cannot_be_used_is_one_clear_line(
    home: dict[str, str], tmp_path: Path, named_by: str, content: bytes | None, message: str
) -> None:
    token = tmp_path / "token"
    if content is not None:
        token.write_bytes(content)
    with pytest.raises(MachineError, match=message) as caught:
        key_of(oidc(home, named_by, token, "http://127.0.0.1:1"))
    assert str(token) in caught.value.message
    assert "two words" not in f"{caught.value.message} {caught.value.hint}"


def test_a_key_comes_before_a_token_and_a_token_before_the_profiles(
    home: dict[str, str], tmp_path: Path
) -> None:
    token = tmp_path / "token"
    environment = oidc(home, "environment", token, "")
    write_profiles(home, AK)
    assert key_of({**environment, **ALIBABA}).access_key_id == "ali-id"
    with pytest.raises(MachineError, match="ALIBABA_CLOUD_OIDC_TOKEN_FILE"):
        key_of(environment)
    for name in environment.keys() & {"ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"}:
        rest = {key: value for key, value in environment.items() if key != name}
        assert key_of(rest).access_key_id == "p-id"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_chain_of_profiles_in_a_pipe_is_read_once(home: dict[str, str], tmp_path: Path) -> None:
    chain = {"name": "chain", "mode": "ChainableRamRoleArn", "ram_role_arn": "acs:ram::1:role/r"}
    content = write_profiles(home, AK, {**chain, "source_profile": "default"}).read_text()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = threading.Event()

    def write() -> None:
        pipe.write_text(content)
        while not read.is_set():  # whoever opens it again finds nothing in it
            pipe.write_text("")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = resolve(
            CredentialFlags(profile="chain"), {**home, "ALIBABA_CLOUD_CONFIG_FILE": str(pipe)}
        )
    finally:
        read.set()
        while writer.is_alive():  # what was not opened again is not waited for
            os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
            writer.join(0.01)
    assert found.reference == "profile:chain"


@pytest.mark.parametrize("mode", ["CloudSSO", "OAuth"])
def test_a_login_has_the_key_that_the_aliyun_command_stored(
    home: dict[str, str], mode: str
) -> None:
    login = {**AK, "mode": mode, "sts_token": "t"}
    write_profiles(home, {**login, "sts_expiration": 1})
    found = resolve(CredentialFlags(), home)
    with pytest.raises(MachineError, match="no temporary key that is still valid") as caught:
        found.current()
    assert "aliyun sts GetCallerIdentity --profile default" in (caught.value.hint or "")
    write_profiles(home, {**login, "sts_expiration": 4102444800})
    assert found.current() == Credentials("p-id", "p-secret", "t")


def test_an_empty_profile_counts_as_none(home: dict[str, str]) -> None:
    write_profiles(home, {"name": "default", "mode": "AK", "access_key_id": ""})
    with pytest.raises(MissingCredentialsError):
        resolve(CredentialFlags(), home)


def test_a_role_profile_assumes_its_role(
    tmp_path: Path,
    home: dict[str, str],
    peer: Any,
    make_answer: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "ecsmachine.aliyun.regional.endpoint", lambda product, region, **_: peer.address
    )
    peer.answers = [
        make_answer(
            content={
                "RequestId": "R",
                "Credentials": {
                    "AccessKeyId": "STS.1",
                    "AccessKeySecret": "s",
                    "SecurityToken": "t",
                    "Expiration": "2999-01-01T00:00:00Z",
                },
            }
        )
    ]
    path = write_profiles(home, {**AK, "mode": "RamRoleArn", "ram_role_arn": "acs:ram::1:role/r"})
    found = profiles.load(path, "", ApiAddress(), home)
    assert found is not None
    assert found.current() == Credentials("STS.1", "s", "t")
    found.current()
    (asked,) = peer.asked
    assert asked.body["Action"] == "AssumeRole"
    assert asked.body["RoleArn"] == "acs:ram::1:role/r"
    assert asked.body["AccessKeyId"] == "p-id"


def test_the_role_of_an_instance_is_asked_for_with_a_token(peer: Any, make_answer: Any) -> None:
    def key(name: str, expires: str) -> Any:
        return make_answer(
            content={
                "AccessKeyId": name,
                "AccessKeySecret": "s",
                "SecurityToken": "t",
                "Expiration": expires,
            }
        )

    peer.answers = [
        make_answer(content=b"metadata-token"),
        make_answer(content=b"my-role"),
        key("STS.1", "2000-01-01T00:00:00Z"),
        make_answer(content=b"metadata-token"),
        make_answer(content=b"my-role"),
        key("STS.2", "2999-01-01T00:00:00Z"),
    ]
    found = metadata.role_credentials(address=peer.address)
    assert found.reference == "ram-role"
    assert found.current().access_key_id == "STS.1"
    # the first has expired already: a new one is fetched, and then kept
    assert found.current().access_key_id == "STS.2"
    assert found.current().access_key_id == "STS.2"
    assert [asked.method for asked in peer.asked] == ["PUT", "GET", "GET"] * 2
    assert peer.asked[1].headers["X-aliyun-ecs-metadata-token"] == "metadata-token"
    assert peer.asked[2].path.endswith("/security-credentials/my-role")


def test_an_instance_without_a_role_says_so(peer: Any, make_answer: Any) -> None:
    peer.answers = [make_answer(content=b"tok"), make_answer(status=404)]
    with pytest.raises(MachineError, match="has no RAM role"):
        metadata.role_credentials(address=peer.address).current()


def test_no_metadata_service_says_so() -> None:
    with pytest.raises(MachineError, match="does not answer"):
        metadata.role_credentials(address="http://127.0.0.1:9").current()


def test_a_reference_that_leads_nowhere_is_told_with_what_is_taken(home: dict[str, str]) -> None:
    write_profiles(home, AK)
    told: list[str] = []

    def found(reference: str, environment: dict[str, str]) -> str:
        told.clear()
        flags = CredentialFlags(command="ecsmachine credentials set")
        taken = resolve(flags, environment, reference=reference, warn=told.append)
        return taken.reference

    assert found("profile:gone", {**home, **ALIBABA}) == "environment"
    (line,) = told
    assert 'no profile "gone"' in line
    assert "using those of the environment" in line
    assert "credentials set" in line
    assert found("environment", home) == "profile:default"
    assert 'using those of the profile "default"' in told[0]
    assert found("ram-role:r", home) == "profile:default"
    assert "not an ECS instance" in told[0]
    # nothing is lost: keys of the command line are never kept, and what is there is taken
    for reference in ("flags", "environment", "profile:default"):
        found(reference, {**home, **ECS})
        assert told == []
    found("flags", home)
    assert told == []


def test_a_reference_that_leads_nowhere_with_nothing_else(home: dict[str, str]) -> None:
    with pytest.raises(MissingCredentialsError, match="There is no ") as caught:
        flags = CredentialFlags(command="ecsmachine credentials set")
        resolve(flags, home, reference="profile:gone")
    assert "credentials set" in (caught.value.hint or "")


def test_the_role_of_an_instance_is_taken_only_where_one_can_be(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    vendor = tmp_path / "vendor"
    vendor.write_text("Alibaba Cloud\n")
    monkeypatch.setattr(credentials_module, "_DMI_VENDOR", vendor)
    assert resolve(CredentialFlags(), home).reference == "ram-role"
    off = {**home, "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    with pytest.raises(MissingCredentialsError):
        resolve(CredentialFlags(), off)
    with pytest.raises(MissingCredentialsError, match="is disabled"):
        provider_of("ram-role", off)
    named = {**home, "ALIBABA_CLOUD_ECS_METADATA": "builder"}
    assert resolve(CredentialFlags(), named).reference == "ram-role:builder"


def test_a_reference_names_credentials_and_no_others(home: dict[str, str]) -> None:
    write_profiles(home, AK)
    everything = {**home, **ECS, **ALIBABA}
    assert provider_of("profile:default", everything).current().access_key_id == "p-id"
    assert provider_of("environment", everything).current().access_key_id == "ecs-id"
    assert provider_of("ram-role:r", everything).reference == "ram-role:r"
    with pytest.raises(MissingCredentialsError, match="no credentials in the environment"):
        provider_of("environment", home)


def test_a_profile_with_the_role_of_the_instance(
    home: dict[str, str], peer: Any, make_answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metadata, "_ADDRESS", peer.address)
    write_profiles(home, {"name": "default", "mode": "EcsRamRole", "ram_role_name": "a/b"})
    key = {"AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t"}
    peer.answers = [
        make_answer(content=b"metadata-token"),
        make_answer(content={**key, "Expiration": "2999-01-01T00:00:00Z"}),
    ]
    found = resolve(CredentialFlags(), home)
    assert found.reference == "profile:default"
    assert found.current() == Credentials("STS.1", "s", "t")
    assert peer.asked[1].path.endswith("/security-credentials/a%2Fb")
    assert peer.asked[0].headers["X-aliyun-ecs-metadata-token-ttl-seconds"] == "60"


@pytest.mark.parametrize("token", ["t\u202ex", "two words", "a\nb"])
def test_a_security_token_that_no_header_can_carry(home: dict[str, str], token: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(CredentialFlags(), {**home, **ECS, "ECS_SECURITY_TOKEN": token})
    assert "ECS_ACCESS_KEY_ID has characters" in caught.value.message
    assert token not in str(caught.value)
