"""Whatever ends the parent, its children end; and what they say is not lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from meta_pipeline.local.children import ChildDied, Children
from meta_pipeline_tests.waiting import wait_until

# A child that starts a grandchild, as a code server starts run workers.
FAMILY = """
import signal, subprocess, sys
grandchild = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(grandchild.pid, flush=True)
signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    signal.pause()
"""
PARENT = f"""
import os, signal, sys, time
from pathlib import Path
from meta_pipeline.local.children import Children
family = {FAMILY!r}
with Children(Path(sys.argv[1])) as children:
    child = children.start(
        "child", [sys.executable, "-c", family], env=os.environ, cwd=Path.cwd()
    )
    while not child.log.read_text().strip():
        time.sleep(0.01)
    print(child.process.pid, child.log.read_text().strip(), flush=True)
    signal.pause()
"""


def start_family(children: Children) -> tuple[int, int]:
    child = children.start("child", [sys.executable, "-c", FAMILY], env=os.environ, cwd=Path.cwd())
    wait_until(lambda: child.log.read_text().strip(), "the child says its number")
    return child.process.pid, int(child.log.read_text())


def is_running(pid: int) -> bool:
    """Whether the process lives; one that only waits to be reaped does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_leaving_the_context_ends_children_and_grandchildren(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        pids = start_family(children)
        assert all(is_running(pid) for pid in pids)
    assert not any(is_running(pid) for pid in pids)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_parent_takes_its_family_along(tmp_path: Path, number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert all(is_running(pid) for pid in pids)
    parent.send_signal(number)
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: not any(is_running(pid) for pid in pids), "the family is gone")


def test_a_child_that_will_not_listen_is_killed(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("deaf", [sys.executable, "-c", DEAF], env=os.environ, cwd=tmp_path)
        wait_until(lambda: child.log.read_text().strip(), "the child speaks")
        children.stop(grace_seconds=0.1)
        assert child.process.poll() == -signal.SIGKILL


def test_a_child_that_has_done_its_work_is_not_missed(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("task", [sys.executable, "-c", ""], env=os.environ, cwd=tmp_path)
        child.process.wait()
        children.forget(child)
        children.require_alive()


def test_a_child_that_dies_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start(
            "the webserver",
            [sys.executable, "-c", "import sys; print('port taken'); sys.exit(3)"],
            env=os.environ,
            cwd=tmp_path,
        )
        child.process.wait()
        with pytest.raises(ChildDied, match=r"the webserver ended \(exit code 3\)") as error:
            children.require_alive()
    assert "port taken" in str(error.value)


def test_what_answers_in_the_place_of_a_dead_child_is_not_the_child(tmp_path: Path) -> None:
    with Children(tmp_path) as children:
        child = children.start("child", [sys.executable, "-c", ""], env=os.environ, cwd=tmp_path)
        child.process.wait()
        with pytest.raises(ChildDied, match="child ended"):
            child.wait_for(lambda: True, seconds=0)
