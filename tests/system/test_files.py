"""Files of the user's: regular, of bearable size, and told of where they cannot be read; nothing hangs."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.system.files import files_in, read_file, there
from tests.cli.shop import write_shop
from tests.helpers import run_harness


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(path.parent)  # an address of that kind is short
        try:
            one.bind(path.name)
        finally:
            os.chdir(here)


SPECIAL: dict[str, tuple[Callable[[Path], object], str]] = {
    "a device": (lambda p: p.symlink_to("/dev/zero"), "is a device; a regular file was expected"),
    "a pipe": (fifo, "is a pipe; a regular file was expected"),
    "a socket": (listener, "is a socket; a regular file was expected"),
    "a folder": (lambda p: p.mkdir(), "is a folder; a regular file was expected"),
    "a loop of links": (lambda p: p.symlink_to(p), "is a link that leads round in a circle"),
    "a huge file": (lambda p: p.write_bytes(b"#" * 11_000_000), "is too large"),
}
FILES = (
    "harness.toml",
    "chaos/store-down.toml",
    "chaos/scripted.py",
    "synthetic/slos.toml",
    "synthetic/journeys.py",
    "load/locustfile.py",
    "schemathesis.toml",
    "contracts/pacts/a.json",
)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("make", "says"), SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_regular_file_is_refused_wherever_one_is_read(
    tmp_path: Path, file: str, make: Callable[[Path], object], says: str
) -> None:
    shop = write_shop(tmp_path)
    if file.endswith(".json") and "large" in says:
        pytest.skip("pacts have a limit of their own when they are read")
    (shop / file).unlink(missing_ok=True)
    (shop / file).parent.mkdir(parents=True, exist_ok=True)
    make(shop / file)

    done = run_harness("plan", cwd=shop, timeout=60)

    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith(f"harness: {file}: {says}")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("folder", ["chaos", "contracts", "contracts/pacts", "contracts/baselines", "synthetic"])
def test_a_folder_that_is_a_loop_of_links_is_told(tmp_path: Path, folder: str) -> None:
    shop = write_shop(tmp_path)
    (shop / folder).parent.mkdir(exist_ok=True)
    if (shop / folder).exists():
        (shop / folder).rename(shop / "away")
    (shop / folder).symlink_to(folder.rpartition("/")[2])

    done = run_harness("plan", cwd=shop)

    assert done.returncode == 2
    assert f"harness: {folder}" in done.stderr
    assert "is a link that leads round in a circle" in done.stderr


def test_a_folder_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "chaos").write_text("")

    with pytest.raises(ConfigError, match=r"chaos: is a file; a folder was expected"):
        files_in(tmp_path / "chaos", "*.toml", "chaos")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "chaos").mkdir(mode=0)

    with pytest.raises(ConfigError, match="cannot be read"):
        files_in(tmp_path / "chaos", "*.toml", "chaos")


def test_what_is_not_there_is_not_there(tmp_path: Path) -> None:
    assert not there(tmp_path / "a" / "b")
    assert files_in(tmp_path / "a", "*") == []
    with pytest.raises(ConfigError, match="there is no such file"):
        read_file(tmp_path / "a")


def test_links_to_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("x")
    (tmp_path / "b.toml").symlink_to("a.toml")

    assert [read_file(f) for f in files_in(tmp_path, "*.toml")] == [b"x", b"x"]
