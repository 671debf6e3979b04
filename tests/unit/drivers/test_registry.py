from __future__ import annotations

import subprocess
import sys

import pytest

from ecsmachine.drivers import registry
from ecsmachine.drivers.base import DriverContext
from ecsmachine.errors import MachineError


def test_the_drivers() -> None:
    assert registry.driver_names() == ("aliyunecs", "generic", "none")


@pytest.mark.parametrize("name", registry.driver_names())
def test_options_are_flags_with_help(name: str) -> None:
    options = registry.options_of(name)
    assert options
    assert len({option.name for option in options}) == len(options)
    for option in options:
        assert option.help
        assert not option.name.startswith("-")


def test_an_unknown_driver_is_named_with_what_there_is(context: DriverContext) -> None:
    with pytest.raises(MachineError) as caught:
        registry.new("aliyunec", context, {})
    assert caught.value.message == 'Driver "aliyunec" not found'
    assert "Did you mean aliyunecs?" in (caught.value.hint or "")
    assert "generic" in (caught.value.hint or "")


def test_options_and_loading_import_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from ecsmachine.drivers import registry\n"
        "from ecsmachine.drivers.base import DriverContext\n"
        "for name in registry.driver_names():\n"
        "    registry.options_of(name)\n"
        "    registry.load(name, DriverContext('m', Path('/s'), Path('/s/m')), {}).url()\n"
        "heavy = {'requests', 'paramiko', 'cryptography', 'tenacity', 'rich', 'logging'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
