"""The engine's options are read back from the unit that was written with them."""

from __future__ import annotations

import pytest

from ecsmachine.provision.base import EngineOptions
from ecsmachine.provision.configured import engine_options
from ecsmachine.provision.engine import CONFIGURATION_VARIABLE, drop_in, engine_flags
from ecsmachine.provision.steps.configuration import unit_text
from tests.unit.provision.recorded import situation

ODD = EngineOptions(
    arbitrary_flags=["dns=198.18.0.1", "default-ulimit=nofile=10:10", "experimental"],
    env=["HTTP_PROXY=http://proxy:3128", 'GREETING=it\'s "a" $HOME `id` 100%'],
    insecure_registry=["registry.example:5000"],
    registry_mirror=["http://mirror.example"],
    labels=["purpose=test it", 'odd="quoted" $(id) `id` 50% \\ \''],
    storage_driver="overlay2",
    dns=["198.18.0.2"],
    graph_dir="/srv/docker data",
    log_level="debug",
    ipv6=True,
    selinux_enabled=True,
)


@pytest.mark.parametrize("options", [EngineOptions(storage_driver="overlay2"), ODD])
def test_what_was_written_is_read_back(options: EngineOptions) -> None:
    flags = engine_flags(options, port=2376, provider="aliyunecs", storage_driver="", socket=True)
    variables = [*options.env, f"{CONFIGURATION_VARIABLE}=b83c4606890ef6bd"]
    assert engine_options(drop_in("dockerd", flags, variables)) == options


def test_a_unit_of_docker_machine_is_read() -> None:
    text = (
        "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H tcp://0.0.0.0:2376 "
        "-H unix:///var/run/docker.sock --storage-driver overlay2 --tlsverify "
        "--tlscacert /etc/docker/ca.pem --tlscert /etc/docker/server.pem "
        "--tlskey /etc/docker/server-key.pem --label provider=aliyunecs --label a=b "
        '\nEnvironment="A=b" \n'
    )
    assert engine_options(text) == EngineOptions(
        storage_driver="overlay2", labels=["a=b"], env=["A=b"]
    )


def test_what_a_step_wrote_for_itself_is_no_option() -> None:
    known = situation("debian-12", engine=ODD)
    text = unit_text(known, {"/etc/docker/ca.pem": "1"})
    assert CONFIGURATION_VARIABLE in text
    assert engine_options(text) == ODD


def test_no_unit_means_the_defaults() -> None:
    assert engine_options("") == EngineOptions()
