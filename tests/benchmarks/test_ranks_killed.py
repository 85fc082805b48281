"""The script that kills ranks finds what it must find: who has ended, and every difference of a run."""

from __future__ import annotations

import json
import signal
import socket
import sys
from pathlib import Path

import pytest
import torchruns
from ranks_killed import KILLED, check_message
from torchruns import Place, end_group, free_port, is_open, ranks_of, signalled, started, wait_until

# stands for torchrun with two ranks, which take a step each 10 ms: when one ends, all do, and it says which
RANK = """
import json, os, sys, time
if os.environ["RANK"] == "1":
    for step in range(1, 10_000):
        with open(sys.argv[1] + "/log.jsonl", "a") as log:
            log.write(json.dumps({"step": step}) + chr(10))
        time.sleep(0.01)
time.sleep(60)
"""
TORCHRUN = f"""
import os, subprocess, sys, time
folder = sys.argv[sys.argv.index("--out") + 1]
os.makedirs(folder)
environments = [os.environ | {{"RANK": str(rank)}} for rank in range(2)]
command = [sys.executable, "-S", "-c", {RANK!r}, folder]
ranks = [subprocess.Popen(command, env=environment) for environment in environments]
while all(rank.poll() is None for rank in ranks):
    time.sleep(0.01)
for number, rank in enumerate(ranks):
    if rank.poll() is None:
        rank.kill()
        rank.wait()
    else:
        print(f"nsface: rank {{number}} of 2 {KILLED}; go on with the same command and --resume")
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(torchruns, "TORCHRUN", [sys.executable, "-S", "-c", TORCHRUN])
    return Place(tmp_path)


@pytest.mark.parametrize("rank", [0, 1])
def test_the_rank_is_killed_after_the_step_and_its_end_is_found(place: Place, rank: int) -> None:
    assert signalled(place, "run", 2, rank, signal.SIGKILL, 5) < 30
    messages = (place.path / "run.txt").read_text()
    check_message(messages, rank, 2, KILLED)
    with pytest.raises(AssertionError):
        check_message(messages, 1 - rank, 2, KILLED)
    assert (place.path / "run" / "log.jsonl").read_text().count("\n") >= 5


def test_ranks_are_found_by_number_and_end_with_torchrun(place: Place) -> None:
    command = [*torchruns.TORCHRUN, *place.command("run")]
    with started(command, place.path / "messages") as process:
        wait_until(lambda: len(ranks_of(process.pid)) == 2, "not two ranks", 30)
        found = ranks_of(process.pid)
        assert found.keys() == {0, 1}
        for rank, number in found.items():
            assert f"RANK={rank}".encode() in Path(f"/proc/{number}/environ").read_bytes().split(b"\0")
        end_group(process)
        assert process.returncode is not None
    wait_until(lambda: not any(Path(f"/proc/{one}/cmdline").exists() for one in found.values()), "left", 10)


LINE = f"nsface: rank 1 of 2 {KILLED}; go on with the same command and --resume\n"


@pytest.mark.parametrize(
    "messages", ["", LINE.replace("rank 1", "rank 0"), LINE + LINE, LINE + "nsface: another error\n"]
)
def test_a_message_that_is_missing_wrong_or_not_alone(messages: str) -> None:
    check_message(f"torchrun's own words\n{LINE}", 1, 2, KILLED)
    with pytest.raises(AssertionError):
        check_message(messages, 1, 2, KILLED)


def write_run(place: Place, run: str, losses: dict[int, float], model: bytes = b"model") -> None:
    (place.path / run).mkdir()
    lines = [json.dumps({"step": step, "loss": loss}) + "\n" for step, loss in losses.items()]
    (place.path / run / "log.jsonl").write_text("".join(lines))
    (place.path / run / "model.safetensors").write_bytes(model)


def test_losses_and_bits_are_compared_with_the_right_runs(place: Place) -> None:
    losses = {1: 2.0, 2: 1.0, 3: 0.5}
    rounded = losses | {2: 1.0001}
    write_run(place, "one-20", losses)
    write_run(place, "whole-2", rounded)
    write_run(place, "same", rounded)
    write_run(place, "other-model", rounded, b"other")
    write_run(place, "rounded", losses)
    write_run(place, "far", losses | {3: 0.51})
    write_run(place, "short", {1: 2.0, 2: 1.0})
    assert place.check_bits("same", 2) == pytest.approx(1e-4)
    assert place.check_rounding("rounded") == 0
    assert place.difference("far") == pytest.approx(0.02)
    for run in ("other-model", "rounded"):
        with pytest.raises(AssertionError, match=f"{run}: (another model|other losses)"):
            place.check_bits(run, 2)
    for run, fault in {"far": "a loss differs by 2.00%", "short": "2 of 3 steps"}.items():
        with pytest.raises(AssertionError, match=f"{run}: {fault}"):
            place.check_rounding(run)


def test_a_port_is_open_when_somebody_listens() -> None:
    port = free_port()
    assert not is_open(port)
    with socket.create_server(("127.0.0.1", port)):
        assert is_open(port)
    with pytest.raises(AssertionError, match=r"never in 0\.1 s"):
        wait_until(lambda: False, "never", 0.1)
