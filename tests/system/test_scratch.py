"""Private folders: of mode 0700, gone with their owner, and a sweep that touches nothing else. Real processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.system.scratch import private_folder, sweep

OWNER = """
import sys
from pathlib import Path
from harness.system.scratch import private_folder
with private_folder("harness-pacts-") as folder:
    (folder / "token").write_text("secret")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def owner() -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def test_a_folder_is_private_and_gone_when_its_block_ends() -> None:
    with private_folder("harness-up-") as folder:
        (folder / "data").mkdir()
        mode = stat.S_IMODE(folder.stat().st_mode)
        swept = sweep()

    assert (mode, swept, folder.exists()) == (0o700, [], False)


def test_the_folder_of_a_process_that_was_killed_is_swept_and_that_of_one_alive_is_not() -> None:
    with owner() as dead, owner() as alive:
        left, held = folder_of(dead), folder_of(alive)
        dead.send_signal(signal.SIGKILL)
        dead.wait(10)

        assert sweep() == [left]
        assert (held / "token").read_text() == "secret"
        assert not left.exists()


def test_a_child_that_outlives_its_parent_does_not_hold_the_lock() -> None:
    code = OWNER.replace(
        "sys.stdin.read()", "import subprocess; subprocess.Popen(['sleep', '30']); import os; os._exit(9)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, process_group=0) as process:
        left = folder_of(process)
        process.wait(10)

        swept = sweep()
        os.killpg(process.pid, signal.SIGKILL)

    assert swept == [left]


def test_a_folder_that_is_to_be_kept_is_kept() -> None:
    with private_folder("harness-run-", keep=True) as folder:
        (folder / "result.json").touch()

    assert sweep() == []
    assert (folder / "result.json").exists()


def link(path: Path) -> None:
    target = path.parent / "precious"
    target.mkdir(mode=0o700)
    path.symlink_to(target)


def somebody_elses(path: Path) -> None:
    path.mkdir(mode=0o700)
    if os.geteuid() != 0:
        pytest.skip("only root can make a folder somebody else's")
    os.chown(path, 65534, 65534)


@pytest.mark.parametrize(
    "plant",
    [link, somebody_elses, lambda path: path.mkdir(mode=0o755), Path.touch, os.mkfifo, lambda p: p.symlink_to(p)],
    ids=["a link to a folder", "somebody else's", "open to others", "a file", "a pipe", "a loop"],
)
def test_what_somebody_else_planted_is_not_touched(temporary: Path, plant: Callable[[Path], object]) -> None:
    planted = temporary / "harness-up-abcdefgh.locked"
    plant(planted)
    before = sorted(temporary.iterdir())

    assert sweep() == []
    assert sorted(temporary.iterdir()) == before


def test_a_folder_nobody_ever_locked_is_left_to_whoever_made_it(temporary: Path) -> None:
    earlier = temporary / "harness-pacts-abcdefgh"
    earlier.mkdir(mode=0o700)

    assert sweep() == []
    assert earlier.exists()


def test_links_in_a_folder_that_is_swept_are_not_followed(temporary: Path) -> None:
    precious = temporary / "precious"
    precious.mkdir()
    (precious / "file").touch()
    left = temporary / "harness-up-abcdefgh.locked"
    left.mkdir(mode=0o700)
    (left / "data").symlink_to(precious)

    assert sweep() == [left]
    assert (precious / "file").exists()


def test_a_sweep_at_the_moment_a_folder_is_made_takes_it_from_nobody() -> None:
    code = "from harness.system.scratch import sweep\nwhile True: sweep()"
    with subprocess.Popen([sys.executable, "-c", code]) as sweeper:
        for _ in range(300):
            with private_folder("harness-up-") as folder:
                (folder / "file").write_text("here")
                assert (folder / "file").read_text() == "here"
        sweeper.kill()


def test_a_folder_no_sweep_would_find_is_refused() -> None:
    with pytest.raises(ValueError, match="no sweep would find"), private_folder("mine-"):
        pass
