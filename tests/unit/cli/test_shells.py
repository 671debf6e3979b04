from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import characters, text

from ecsmachine.cli.display.shells import detect, lines
from ecsmachine.system.shells import first_shell
from tests.unit.cli.powershell import assigned

COMMAND = ["ecsmachine", "env", "dev1"]
HINT = " Run this command to configure your shell: "

EXACT = {
    "bash": (
        ['export A="1"', 'export B="/x y"', "#" + HINT, "# eval $(ecsmachine env dev1)"],
        ["unset A", "unset B", "#" + HINT, "# eval $(ecsmachine env dev1)"],
    ),
    "fish": (
        ['set -gx A "1";', 'set -gx B "/x y";', "#" + HINT, "# eval (ecsmachine env dev1)"],
        ["set -e A;", "set -e B;", "#" + HINT, "# eval (ecsmachine env dev1)"],
    ),
    "powershell": (
        [
            '$Env:A = "1"',
            '$Env:B = "/x y"',
            "#" + HINT,
            "# & ecsmachine env dev1 | Invoke-Expression",
        ],
        [
            "Remove-Item Env:\\\\A",
            "Remove-Item Env:\\\\B",
            "#" + HINT,
            "# & ecsmachine env dev1 | Invoke-Expression",
        ],
    ),
    "cmd": (
        [
            "SET A=1",
            "SET B=/x y",
            "REM" + HINT,
            "REM \t@FOR /f \"tokens=*\" %i IN ('ecsmachine env dev1') DO @%i",
        ],
        [
            "SET A=",
            "SET B=",
            "REM" + HINT,
            "REM \t@FOR /f \"tokens=*\" %i IN ('ecsmachine env dev1') DO @%i",
        ],
    ),
    "tcsh": (
        ['setenv A "1";', 'setenv B "/x y";', ":" + HINT, ": eval `ecsmachine env dev1`"],
        ["unsetenv A;", "unsetenv B;", ":" + HINT, ": eval `ecsmachine env dev1`"],
    ),
    "emacs": (
        [
            '(setenv "A" "1")',
            '(setenv "B" "/x y")',
            ";;" + HINT,
            ';; (with-temp-buffer (shell-command "ecsmachine env dev1" (current-buffer)) '
            "(eval-buffer))",
        ],
        [
            '(setenv "A" nil)',
            '(setenv "B" nil)',
            ";;" + HINT,
            ';; (with-temp-buffer (shell-command "ecsmachine env dev1" (current-buffer)) '
            "(eval-buffer))",
        ],
    ),
}


@pytest.mark.parametrize("shell", EXACT)
def test_the_lines_of_each_shell(shell: str) -> None:
    setting, unsetting = EXACT[shell]
    assert lines(shell, {"A": "1", "B": "/x y"}, COMMAND) == setting
    assert lines(shell, ["A", "B"], COMMAND) == unsetting


@pytest.mark.parametrize(
    ("shell", "like"),
    [("zsh", "bash"), ("sh", "bash"), ("elvish", "bash"), ("csh", "tcsh"), ("pwsh", "powershell")],
)
def test_shells_that_are_like_another(shell: str, like: str) -> None:
    assert lines(shell, {"A": "1"}, COMMAND) == lines(like, {"A": "1"}, COMMAND)


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({"SHELL": "/usr/bin/fish"}, "fish"),
        ({"SHELL": "zsh"}, "zsh"),
        ({"SHELL": ""}, None),
        ({}, None),
    ],
)
def test_the_shell_is_known_by_its_variable(environment: dict[str, str], name: str | None) -> None:
    assert detect(environment) == name


def test_the_command_is_quoted_for_the_shell() -> None:
    command = ["ecsmachine", "-s", "/my store", "env"]
    assert lines("bash", [], command)[-1] == "# eval $(ecsmachine -s '/my store' env)"
    assert '-s "/my store" env' in lines("cmd", [], command)[-1]
    assert '-s "/my store" env |' in lines("powershell", [], command)[-1]


AWKWARD = "/t mp/a\"b$HOME`id`\\c'd\\"

# how each shell carries out lines that a program printed, and then shows a variable
REAL = {
    "sh": ["sh", "-c", 'eval "$(cat FILE)"; printenv K OTHER'],
    "bash": ["bash", "-c", "eval $(cat FILE); printenv K OTHER"],
    "zsh": ["zsh", "-c", "eval $(cat FILE); printenv K OTHER"],
    "fish": ["fish", "--no-config", "-c", "eval (cat FILE); printenv K; printenv OTHER"],
    "tcsh": ["tcsh", "-f", "-c", "eval `cat FILE`; printenv K; printenv OTHER"],
    "emacs": [
        *("emacs", "--batch", "-Q", "-l", "FILE", "--eval"),
        '(princ (format "%s\\n%s\\n" (getenv "K") (getenv "OTHER")))',
    ],
}


@pytest.mark.parametrize("shell", REAL)
def test_awkward_values_arrive_in_the_real_shell(shell: str, tmp_path: Path) -> None:
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    printed = tmp_path / "printed"
    printed.write_text("\n".join(lines(shell, {"K": AWKWARD, "OTHER": "o"}, ["true"])) + "\n")
    result = subprocess.run(
        [word.replace("FILE", str(printed)) for word in REAL[shell]],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert result.stdout == f"{AWKWARD}\no\n", result.stderr


AWKWARD_ON_WINDOWS = [
    r"C:\Users\Jürgen Groß\.docker\machine\machines\dev1",
    r"\\server\share$\$Env:HOME\`n",
    r"\\?\C:\a\$(calc)\'b'",
    'C:\\„so“ ”und" so\\',
    "C:\\100%\\a&b|c^d!e",
]


@pytest.mark.parametrize("path", AWKWARD_ON_WINDOWS)
def test_powershell_reads_a_path_as_it_is(path: str) -> None:
    assert assigned(lines("powershell", {"A": path}, COMMAND)[0]) == ("A", path)


@given(text(alphabet=characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"])))
def test_powershell_reads_every_value_as_it_is(value: str) -> None:
    assert assigned(lines("powershell", {"A": value}, COMMAND)[0]) == ("A", value)


@pytest.mark.parametrize(
    ("programs", "shell"),
    [
        (["ecsmachine.exe", "powershell.exe", "explorer.exe"], "powershell"),
        (["python.exe", "ecsmachine.exe", "pwsh.exe", "cmd.exe"], "powershell"),
        (["CMD.EXE", "powershell.exe"], "cmd"),
        (["bash.exe"], "bash"),
        (["Code.exe", "explorer.exe"], None),
        ([], None),
    ],
)
def test_the_shell_that_called_is_the_nearest(programs: list[str], shell: str | None) -> None:
    assert first_shell(programs) == shell
