"""Every moment of an adoption, on real guests: of a lost machine, and of one that was imported."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.answers import items_at
from tests.guest.machines import Machines
from tests.torture.ground import NAME
from tests.torture.moments import Moment, listed
from tests.torture.outcome import Outcome, worst
from tests.torture.step_points import differences

_PASSPHRASE = "correct horse"
_STORE_TAG = "ecsmachine:store"

Phase = Literal["adopt", "adopt, imported"]
PHASES: tuple[Phase, ...] = ("adopt", "adopt, imported")
Then = Literal["adopt", "rm"]


@dataclass(frozen=True)
class AdoptPoint:
    """A moment of an adoption at which the process is killed; ``position`` is its place in all.

    ``then`` is what comes before the next adoption: nothing, or an rm of what there is of it.
    """

    phase: Phase
    moment: Moment
    position: int
    then: Then
    fault: str = "killed"

    def __str__(self) -> str:
        return f"{self.phase}: killed at {self.moment}, then {self.then}"


class Lost:
    """A machine whose store is lost again and again; its key, and an export of it, are kept.

    ``number`` is that of the present store.
    """

    def __init__(self, machines: Machines, folder: Path):
        self._machines = machines
        self._folder = folder
        self.number = 0
        folder.mkdir(parents=True)
        first = self.store()
        first.run("create", "-d", "aliyunecs", "--aliyunecs-disk-size", "20", NAME)
        first.run("export", NAME, str(self.file))
        shutil.copy(self.path / "machines" / NAME / "id_rsa", self.key)

    @property
    def file(self) -> Path:
        """The exported machine."""
        return self._folder / "dev1.ecsmachine"

    @property
    def key(self) -> Path:
        """The private key of the login."""
        return self._folder / "id_rsa"

    @property
    def path(self) -> Path:
        """The folder of the present store."""
        return self._folder / str(self.number)

    def store(self) -> Machines:
        """Return the program with the present store."""
        return Machines(
            {
                **self._machines.environment,
                "MACHINE_STORAGE_PATH": str(self.path),
                "ECSMACHINE_PASSPHRASE": _PASSPHRASE,
            }
        )

    def next_store(self, phase: Phase) -> Machines:
        """Lose the store; return the program with the next, ready for the adoption."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.number += 1
        store = self.store()
        if phase == "adopt, imported":
            store.run("import", str(self.file))
        return store

    def command(self, phase: Phase) -> tuple[str, ...]:
        """Return the adoption."""
        return ("adopt", NAME) if phase != "adopt" else ("adopt", NAME, "--ssh-key", str(self.key))

    def moments(self, phase: Phase) -> Path:
        """Return the file that holds the moments of the adoption."""
        return self._folder / f"moments of {phase}"

    def points(self, phase: Phase) -> list[AdoptPoint]:
        """Let an adoption go through, and return a point for each of its moments.

        An rm comes in between where files, or the tags in the cloud, may have changed.
        """
        store = self.next_store(phase)
        done = _watched(store, str(self.moments(phase)), self.command(phase))
        if done.returncode:
            raise RuntimeError(
                f"an undisturbed adoption left with {done.returncode}: {done.stdout}"
            )
        points: list[AdoptPoint] = []
        for position, moment in enumerate(listed(self.moments(phase))):
            points.append(AdoptPoint(phase, moment, position, "adopt"))
            if phase == "adopt" and moment.what.startswith(("os.rename", "after api Tag")):
                points.append(AdoptPoint(phase, moment, position, "rm"))
        return points

    def remove(self) -> None:
        """Remove the machine for good, from the present store."""
        self.store().run("rm", "-y", NAME)


def try_points(points: Iterable[AdoptPoint], lost: Lost) -> Iterator[Outcome]:
    """Try the points one after the other."""
    for point in points:
        try:
            yield try_point(point, lost)
        except subprocess.TimeoutExpired as error:
            yield Outcome(point, True, [f"it hung: {error}"])


def try_point(point: AdoptPoint, lost: Lost) -> Outcome:
    """Kill an adoption, and give it again: then the machine is whole, and this store's alone."""
    store = lost.next_store(point.phase)
    where = f"{lost.moments(point.phase)}:{point.position}"
    first = _watched(store, where, lost.command(point.phase))
    log = [first.stdout]
    struck = first.returncode == -9
    problems = [] if struck or not first.returncode else [f"it left with {first.returncode}"]
    folder = lost.path / "machines" / NAME
    if point.then == "rm" and folder.exists() and not (folder / "config.json").exists():
        removed = store.run("rm", "-y", NAME, check=False)
        log += [removed.stdout, removed.stderr]
        if removed.returncode or folder.exists():
            problems.append(f"rm left with {removed.returncode}")
    again = store.run(*lost.command(point.phase), check=False)
    log += [again.stdout, again.stderr]
    if again.returncode and "is already the machine" not in again.stderr:
        problems.append(f"the next adoption left with {again.returncode}")
    problems += _shortcomings(store, lost.path)
    return Outcome(point, struck, worst(problems), "\n".join(log))


def _shortcomings(store: Machines, path: Path) -> list[str]:
    """Return what an adopted machine lacks, in the store or in the cloud."""
    problems = differences(store)
    names = [each.name for each in (path / "machines").iterdir()]
    if names != [NAME]:
        return [*problems, f"in the folder of machines: {', '.join(names)}"]
    journal = path / "machines" / NAME / "journal.json"
    if not journal.exists() or not json.loads(journal.read_text())["Complete"]:
        problems.append("its journal is not complete")
    (row,) = json.loads(store.run("ls", "--json", "-t", "30").stdout)
    if (row["State"], row["Error"]) != ("Running", ""):
        problems.append(f"ls shows it as {row['State']}: {row['Error']}")
    store_id = (path / ".store-id").read_text().strip()
    for instance in items_at(store.ecs("DescribeInstances"), "Instances", "Instance"):
        tags = {each["TagKey"]: each["TagValue"] for each in items_at(instance, "Tags", "Tag")}
        if tags.get(_STORE_TAG) != store_id:
            problems.append(f"the cloud has it as of store {tags.get(_STORE_TAG)}")
    return problems


def _watched(
    store: Machines, where: str, command: tuple[str, ...]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.torture.moments", where, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
        env=store.environment,
        cwd=Path(__file__).parents[2],
    )
