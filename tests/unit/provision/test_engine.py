from __future__ import annotations

import pytest

from ecsmachine.errors import UsageError
from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.engine import (
    drop_in,
    engine_flags,
    quote,
    validate_engine_options,
    with_known_mirrors,
)


def flags_of(options: EngineOptions, *, socket: bool = True) -> list[str]:
    return engine_flags(
        options, port=2376, provider="aliyunecs", storage_driver="overlay2", socket=socket
    )


def test_the_engine_listens_with_tls_and_on_the_socket_that_systemd_hands_it() -> None:
    assert flags_of(EngineOptions()) == [
        *("-H", "tcp://0.0.0.0:2376", "-H", "fd://", "--storage-driver", "overlay2"),
        *("--tlsverify", "--tlscacert", "/etc/docker/ca.pem"),
        *("--tlscert", "/etc/docker/server.pem", "--tlskey", "/etc/docker/server-key.pem"),
        *("--label", "provider=aliyunecs"),
    ]


def test_without_docker_socket_the_engine_makes_the_socket_itself() -> None:
    flags = flags_of(EngineOptions(), socket=False)
    assert "unix:///var/run/docker.sock" in flags
    assert "fd://" not in flags


def test_every_engine_option_becomes_a_flag() -> None:
    flags = flags_of(
        EngineOptions(
            storage_driver="btrfs",
            labels=["a=b", "c=d e"],
            insecure_registry=["r:5000"],
            registry_mirror=["https://m"],
            arbitrary_flags=["dns=198.18.0.1", "live-restore", "log-opt tag=a b"],
        )
    )
    for pair in (
        ("--storage-driver", "btrfs"),
        ("--label", "a=b"),
        ("--label", "c=d e"),
        ("--label", "provider=aliyunecs"),
        ("--insecure-registry", "r:5000"),
        ("--registry-mirror", "https://m"),
    ):
        position = flags.index(pair[1])
        assert flags[position - 1] == pair[0]
    assert flags[-3:] == ["--dns=198.18.0.1", "--live-restore", "--log-opt=tag=a b"]


@pytest.mark.parametrize(
    ("word", "quoted"),
    [
        ("plain", "plain"),
        ("tcp://0.0.0.0:2376", "tcp://0.0.0.0:2376"),
        ("a b", '"a b"'),
        ('say "hi"', '"say \\"hi\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("100%", "100%%"),
        ("$HOME", "$$HOME"),
        ("it's", '"it\'s"'),
        ("", '""'),
        ("a;b|c", '"a;b|c"'),
    ],
)
def test_words_are_quoted_for_systemd(word: str, quoted: str) -> None:
    assert quote(word) == quoted


def test_a_dollar_in_a_variable_is_kept_as_it_is() -> None:
    assert quote("A=$x", command_line=False) == "A=$x"


@pytest.mark.parametrize("word", ["a\nb", "a\rb", "a\0b"])
def test_line_breaks_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="line break"):
        quote(word)


def test_the_drop_in_empties_what_the_package_set() -> None:
    assert drop_in("dockerd", ["-H", "fd://"], ["A=b c"]) == (
        '[Service]\nExecStart=\nExecStart=dockerd -H fd://\nEnvironment="A=b c"\n'
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (EngineOptions(labels=["alone"]), '--engine-label: "alone" is not key=value'),
        (EngineOptions(labels=["=value"]), '--engine-label: "=value" is not key=value'),
        (EngineOptions(env=["HTTP_PROXY"]), '--engine-env: "HTTP_PROXY" is not key=value'),
        (EngineOptions(arbitrary_flags=["--dns=1"]), '--engine-opt: "--dns=1" is not flag=value'),
        (EngineOptions(arbitrary_flags=["ipv6 "]), '--engine-opt: "ipv6 " is not flag=value'),
        (EngineOptions(labels=["a=a\nb"]), "line break"),
        (EngineOptions(registry_mirror=["mirror.example"]), "is not the URL of a mirror"),
        (EngineOptions(registry_mirror=["https://a,https://b"]), "is not the URL of a mirror"),
        (EngineOptions(registry_mirror=["https://me:word@m"]), "is not the URL of a mirror"),
        (EngineOptions(registry_mirror=["https://m/?a=b"]), "is not the URL of a mirror"),
        (EngineOptions(registry_mirror=["https://m/#a"]), "is not the URL of a mirror"),
        (EngineOptions(insecure_registry=["a b"]), 'insecure-registry: "a b" is not a registry'),
    ],
)
def test_options_that_cannot_be_are_refused_before_a_machine_is_made(
    options: EngineOptions, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        validate_engine_options(options)


def test_good_options_pass() -> None:
    validate_engine_options(
        EngineOptions(labels=["a=b=c"], env=["A="], arbitrary_flags=["debug", "dns 1"])
    )
    mirrors = ["https://mirror.example", "http://198.18.0.1:5000/", "https://m.example/@a/b"]
    registries = ["10.0.0.0/8", "registry.example:5000", "[::1]:5000"]
    validate_engine_options(EngineOptions(registry_mirror=mirrors, insecure_registry=registries))


def test_the_mirrors_that_a_host_knows_stand_for_auto() -> None:
    known = "http://198.18.7.1:5000\nno url\n\n https://mirror.example \n"
    options = EngineOptions(
        registry_mirror=["https://own.example", "auto", "https://mirror.example"]
    )
    assert with_known_mirrors(options, known).registry_mirror == [
        "https://own.example",
        "http://198.18.7.1:5000",
        "https://mirror.example",
    ]
    assert with_known_mirrors(options, "").registry_mirror == [
        "https://own.example",
        "https://mirror.example",
    ]
    assert options.registry_mirror[1] == "auto"
    validate_engine_options(options)
