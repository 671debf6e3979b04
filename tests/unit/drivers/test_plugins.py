"""Drivers of other packages: the example of docs/drivers.md, as if it were installed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ecsmachine.cli.app import run
from ecsmachine.drivers import registry
from ecsmachine.errors import MachineError
from ecsmachine.machine import host

DOCUMENT = Path(__file__).parents[3] / "docs" / "drivers.md"


def install(folder: Path, name: str, code: str, entry: str) -> None:
    """Put a distribution into a folder of the search path."""
    (folder / f"{name}.py").write_text(code)
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[ecsmachine.drivers]\n{entry}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def pool(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The documented driver, installed, and a pool with two hosts."""
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    (entry,) = re.findall(r'^pool = "(.*)"$', DOCUMENT.read_text(), re.MULTILINE)
    install(site, entry, code, f"pool = {entry}")
    monkeypatch.delitem(sys.modules, entry, raising=False)
    monkeypatch.setattr(host, "make_docker_host", lambda machine, report, **how: None)
    hosts = tmp_path / "hosts.txt"
    hosts.write_text("127.0.0.1\n127.0.0.2\n")
    return hosts


def test_the_documented_driver_works(
    pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"MACHINE_STORAGE_PATH": str(tmp_path / "store"), "POOL_FILE": str(pool)}

    def program(*arguments: str) -> str:
        capsys.readouterr()
        assert run(list(arguments), environment) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    assert "--pool-file" in program("create", "-d", "pool", "--help")
    # nothing listens there, so that no install script is asked for
    script = ("--engine-install-url", "http://127.0.0.1:1/install.sh")
    for name in ("dev1", "dev2"):
        program("create", "-d", "pool", "--pool-user", "admin", *script, name)
    assert pool.read_text() == ""
    config = json.loads(program("inspect", "dev2"))
    assert (config["DriverName"], config["Driver"]["IPAddress"]) == ("pool", "127.0.0.2")
    full = run(["create", "-d", "pool", *script, "dev3"], environment)
    assert full == 3
    assert "No host is free" in capsys.readouterr().err
    program("rm", "-y", "dev1", "dev2")
    assert sorted(pool.read_text().split()) == ["127.0.0.1", "127.0.0.2"]
    assert program("ls", "-q") == ""


def test_an_installed_driver_is_named_among_the_others(pool: Path) -> None:
    assert registry.driver_names() == ("aliyunecs", "generic", "none", "pool")
    with pytest.raises(MachineError) as caught:
        registry.options_of("pol")
    assert "Did you mean pool?" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import nonesuch", "nonesuch"),
        ("raise RuntimeError('not today')", "not today"),
        ("OPTIONS = ()", "lacks new and load"),
    ],
)
def test_a_broken_package_is_named(
    code: str, said: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "brokendriver", raising=False)
    install(site, "brokendriver", code, "broken = brokendriver")
    with pytest.raises(MachineError, match=f'Driver "broken" .*{said}') as caught:
        registry.options_of("broken")
    assert "brokendriver" in (caught.value.hint or "")


def test_our_own_drivers_do_not_look_for_others() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ecsmachine.drivers import registry\n"
        "from ecsmachine.drivers.base import DriverContext\n"
        "context = DriverContext('m', Path('/s'), Path('/s/m'))\n"
        "registry.share_lookups([registry.load('none', context, {'URL': 'tcp://127.0.0.1:1'})])\n"
        "print('importlib.metadata' in sys.modules)\n"
        "registry.load('virtualbox', context, {})\n"
        "print('importlib.metadata' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": f"{Path(registry.__file__).parents[2]}"},
    )
    assert done.stdout.split() == ["False", "True"]
