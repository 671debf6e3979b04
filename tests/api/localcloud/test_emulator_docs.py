"""docs/emulator.md: its tables are what the code has, and its examples run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ecsmachine.localcloud.faults.fault import KINDS
from ecsmachine.localcloud.service.embedded import EmbeddedCloud
from ecsmachine.localcloud.testing import running_cloud
from tests import command_pages
from tests.ports import free_port

PAGE = Path(__file__).parents[3] / "docs" / "emulator.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


def scripts() -> list[str]:
    return [block for block in blocks("python") if "pytest" not in block]


def test_the_scripts_of_the_page_on_the_local_cloud(tmp_path: Path) -> None:
    text = PAGE.with_name("local-cloud.md").read_text()
    (script,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.returncode) == ("It has struck 0 times.\n", 0), done.stderr


def test_the_tables_are_as_the_code_is() -> None:
    script = PAGE.parents[1] / "scripts" / "emulator_page.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_kind_of_fault_is_named() -> None:
    section = PAGE.read_text().partition("## Inject faults")[2].partition("\n## ")[0]
    rows = "".join(line for line in section.splitlines() if line.startswith("|"))
    assert set(re.findall(r"`([a-z0-9-]+)`", rows.replace("`Throttling.User`", ""))) == set(KINDS)


@pytest.mark.parametrize("number", range(len(scripts())))
def test_a_script(cloud: EmbeddedCloud, tmp_path: Path, number: int) -> None:
    (tmp_path / "script.py").write_text(scripts()[number])
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "ECS_API_ENDPOINT": cloud.endpoint,
            "ECS_ACCESS_KEY_ID": cloud.access_key_id,
            "ECS_ACCESS_KEY_SECRET": cloud.access_key_secret,
            "ECS_REGION": cloud.region,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    known = ("0", "['cn-hangzhou-h'", cloud.state.default_vpc_id, "cn-beijing test 0")
    assert said.startswith(known), said


def test_there_are_scripts() -> None:
    assert len(scripts()) == 4


def test_the_tests_of_your_project(tmp_path: Path) -> None:
    conftest, *tests = (block for block in blocks("python") if "pytest" in block)
    (tmp_path / "conftest.py").write_text(conftest)
    for number, block in enumerate(tests):
        (tmp_path / f"test_yours_{number}.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "6 passed" in done.stdout, done.stdout + done.stderr


def test_the_commands(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(scripts()[0])
    compose, seed = blocks("yaml")
    assert "services:" in compose
    (tmp_path / "seed.yaml").write_text(seed)
    run_examples(PAGE, tmp_path)


def test_the_commands_of_the_chinese_page(tmp_path: Path) -> None:
    run_examples(PAGE.parent / "zh" / "local-cloud.md", tmp_path)


def run_examples(page: Path, tmp_path: Path) -> None:
    """Run the examples of a page on a cloud of its own, and remove that."""
    environment = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    try:
        examples = command_pages.examples_in(page.read_text())
        command_pages.check_examples(page.stem, examples, environment, tmp_path)
    finally:
        subprocess.run(
            [sys.executable, "-m", "ecsmachine", "local", "reset", "-y"],
            env={**environment, "HOME": str(tmp_path)},
            check=True,
            timeout=120,
        )


def test_what_is_not_run_is_known() -> None:
    every = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    known = {"", "sh", "python", "console", "yaml", "ini", "javascript"}
    assert {language for language, _ in every} == known
    rest = [block for language, block in every if not language]
    first = [block.splitlines()[0] for block in rest]
    assert first == [
        "$ export ALIBABA_CLOUD_ACCESS_KEY_ID=$ECS_ACCESS_KEY_ID",
        "$ ecsmachine local run packer build image.json",
        'provider "alicloud" {',
    ]
    assert [block for block in blocks("sh") if "pip install '.[local]'" not in block] == []


def test_the_unit_of_systemd(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd is not installed")
    (unit,) = blocks("ini")
    started = re.search(r"ExecStart=\S+ (.*)", unit)
    assert started is not None
    assert "Usage" in said_by([*started[1].split(), "--help"])
    file = tmp_path / "ecsmachine-local.service"
    file.write_text(unit.replace("/opt/ecsmachine/bin/ecsmachine", sys.executable))
    done = subprocess.run([program, "verify", str(file)], capture_output=True, text=True)
    assert file.name not in done.stderr, done.stderr


def said_by(arguments: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "ecsmachine", *arguments], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_service_of_compose(tmp_path: Path) -> None:
    """Its command and its health check do what they should, here as in a container."""
    service = yaml.safe_load(blocks("yaml")[0])["services"]["ecs"]
    name, *arguments = service["command"]
    assert name == "ecsmachine"
    port = str(free_port())
    # Its own name is that of the container there.
    own = [{"8080": port, service["hostname"]: "localhost"}.get(one, one) for one in arguments]
    environment = {**os.environ, **service["environment"], "HOME": str(tmp_path)}
    environment["ECSMACHINE_LOCAL_ROOT"] = str(tmp_path / "cloud")
    running = subprocess.Popen(
        [sys.executable, "-m", "ecsmachine", *own],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert any("local env" in line for line in running.stdout)
        _, program, *check = service["healthcheck"]["test"]
        assert program == "python"
        asked = [word.replace(":8080/", f":{port}/") for word in check]
        subprocess.run([sys.executable, *asked], check=True, timeout=60)
        with running_cloud(tmp_path / "cloud") as cloud:
            assert (cloud.access_key_id, cloud.access_key_secret) == ("test", "test")
            assert cloud.host.endswith(f":{port}")
        running.terminate()
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.communicate(timeout=60)
