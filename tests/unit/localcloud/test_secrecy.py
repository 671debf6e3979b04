from __future__ import annotations

import pytest

from ecsmachine.localcloud.protocol.secrecy import is_secret, masked, masked_parameters


@pytest.mark.parametrize(
    "name",
    [
        *("Password", "VncPassword", "UserData", "LaunchTemplateData.UserData", "SecurityToken"),
        *("PrivateKeyBody", "AccessKeySecret", "CommandContent", "NetworkInterface.1.Password"),
        *("password", "login_password", "key", "ca_key", "secret", "user_data", "agent_token"),
        *("PASSWORD", "triggerUrl", "Signature"),
    ],
)
def test_what_is_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        *("Tag.1.Key", "Tag.1.Value", "ClientToken", "NextToken", "PasswordInherit", "KeyPairName"),
        *(
            "PublicKeyBody",
            "public_key",
            "HttpTokens",
            "InstanceName",
            "AccessKeyId",
            "TagKey",
            "SecretName",
            "",
        ),
    ],
)
def test_what_is_not(name: str) -> None:
    assert not is_secret(name)


def test_all_the_depth_of_an_answer_is_masked() -> None:
    answer = {
        "Credentials": {"AccessKeyId": "STS.1", "AccessKeySecret": "s3cret", "SecurityToken": "t"},
        "Versions": [{"LaunchTemplateData": {"UserData": "abc", "ImageId": "m-1"}}],
        "url": "http://127.0.0.1/hook/trigger?triggerUrl=abc&secret=s3cret&type=scale_out",
        "Password": "",
    }
    assert masked(answer) == {
        "Credentials": {"AccessKeyId": "STS.1", "AccessKeySecret": "***", "SecurityToken": "***"},
        "Versions": [{"LaunchTemplateData": {"UserData": "***", "ImageId": "m-1"}}],
        "url": "http://127.0.0.1/hook/trigger?triggerUrl=***&secret=***&type=scale_out",
        "Password": "",
    }


def test_what_a_script_is_called_with_is_secret() -> None:
    assert masked_parameters("InvokeCommand", {"Parameters": "{}", "CommandId": "c-1"}) == {
        "Parameters": "***",
        "CommandId": "c-1",
    }
