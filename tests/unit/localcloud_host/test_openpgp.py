from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ecsmachine.localcloud.host.openpgp import SigningKey, signing_key

GPGV = shutil.which("gpgv")
GPG = shutil.which("gpg")


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return signing_key(tmp_path / "key.pem", "A cloud")


def test_the_key_stays_the_same_and_is_private(key: SigningKey, tmp_path: Path) -> None:
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    again = signing_key(tmp_path / "key.pem", "A cloud")
    assert again.fingerprint == key.fingerprint
    assert signing_key(tmp_path / "other.pem", "A cloud").fingerprint != key.fingerprint
    assert len(key.fingerprint) == 40
    assert "PRIVATE" not in key.public_key()
    assert repr(key) == f"SigningKey({key.fingerprint})"


@pytest.mark.skipif(GPGV is None or GPG is None, reason="needs gpg")
def test_gpg_knows_the_key_and_accepts_what_it_signed(key: SigningKey, tmp_path: Path) -> None:
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    (tmp_path / "key.asc").write_text(key.public_key())
    gpg = [str(GPG), "--homedir", str(home), "--batch", "--no-autostart"]
    shown = subprocess.run(
        [*gpg, "--show-keys", "--with-colons", str(tmp_path / "key.asc")],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"fpr:::::::::{key.fingerprint}:" in shown
    assert ":A cloud:" in shown
    ring = tmp_path / "key.gpg"
    dearmour = [*gpg, "--output", str(ring), "--dearmor", str(tmp_path / "key.asc")]
    subprocess.run(dearmour, check=True)
    (tmp_path / "Release").write_bytes(b"Origin: a cloud\n")
    (tmp_path / "Release.gpg").write_text(key.sign(b"Origin: a cloud\n"))
    files = [str(tmp_path / name) for name in ("Release.gpg", "Release")]
    verify = [str(GPGV), "--keyring", str(ring), *files]
    assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
    (tmp_path / "Release").write_bytes(b"Origin: another\n")
    assert subprocess.run(verify, capture_output=True, check=False).returncode != 0
