"""What the options of create for the engine say together."""

from __future__ import annotations

import pytest

from ecsmachine.cli.arguments.driver_options import resolve
from ecsmachine.cli.arguments.engine_options import ENGINE, engine_options
from ecsmachine.drivers.options import OptionValue
from ecsmachine.errors import UsageError
from ecsmachine.provision.base import EngineOptions

SCRIPT = "http://mirror.example/install.sh"


def options(environment: dict[str, str] | None = None, **flags: OptionValue) -> EngineOptions:
    given = {f"engine-{name.replace('_', '-')}": value for name, value in flags.items()}
    return engine_options(resolve(ENGINE, given, environment or {}))


def test_without_any_the_engine_comes_from_what_is_in_reach() -> None:
    made = options()
    assert (made.source, made.version, made.registry_mirror) == (["auto"], "", ["auto"])
    assert made.install_url == "https://get.docker.com"


def test_variables_name_sources() -> None:
    made = options({"ENGINE_SOURCE": "http://a.example/ce, docker", "ENGINE_SOURCE_KEY": "A" * 40})
    assert (made.source, made.source_key) == (["http://a.example/ce", "docker"], "A" * 40)
    assert options(version="27.5").version == "27.5"
    assert options(version="latest").version == ""


@pytest.mark.parametrize("as_flag", [True, False])
def test_an_install_script_wins(as_flag: bool, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {"ENGINE_SOURCE": "docker", "ENGINE_SOURCE_KEY": "A" * 40}
    if as_flag:
        made = options(environment, install_url=SCRIPT, source=["mirror"])
    else:
        made = options({**environment, "MACHINE_DOCKER_INSTALL_URL": SCRIPT})
    assert (made.install_url, made.source, made.source_key) == (SCRIPT, [], "")
    unused = f"{'--engine-source' if as_flag else 'ENGINE_SOURCE'} is not used"
    # the key of package sources is none of a script's; a local cloud names both
    assert capsys.readouterr().err.splitlines()[-1].endswith(unused)


@pytest.mark.parametrize("flag", [{"source": ["auto"]}, {"version": "27"}])
def test_flags_win_over_the_variable_of_the_script(
    flag: dict[str, OptionValue], capsys: pytest.CaptureFixture[str]
) -> None:
    made = options({"MACHINE_DOCKER_INSTALL_URL": SCRIPT}, **flag)
    assert made.source == ["auto"]
    assert made.install_url == "https://get.docker.com"
    assert "MACHINE_DOCKER_INSTALL_URL is not used" in capsys.readouterr().err


def test_a_script_chooses_the_version_itself() -> None:
    with pytest.raises(
        UsageError, match="cannot be used with --engine-version: the install script"
    ):
        options(version="27", install_url=SCRIPT)
