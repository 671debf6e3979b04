"""The ``ecsmachine`` program."""

from __future__ import annotations

import os
import sys
from pathlib import PurePath


def main() -> None:
    """Run the command line and leave with its exit code."""
    from ecsmachine.cli.app import run

    called = PurePath(sys.argv[0]).name.removesuffix(".exe")
    name = called if called == "docker-machine" else "ecsmachine"
    sys.exit(run(sys.argv[1:], os.environ, name=name))


if __name__ == "__main__":
    main()
