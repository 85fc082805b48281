"""`nsface extract` and `nsface eval-ident` in several processes give what one process gives."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings.file import Embeddings, save
from tests.images.pictures import encoded, picture
from tests.tiny_model import write_tiny_model
from tests.training.test_distributed import End, free_port

Run = Callable[..., Any]
CPU = ["--device", "cpu", "--precision", "fp32"]


def together(python: str, count: int, *arguments: object) -> list[End]:
    """`nsface ARGUMENTS…` in `count` processes, as torchrun would start them."""
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port(), "WORLD_SIZE": count}
    processes = []
    for rank in range(count):
        given = {name: str(value) for name, value in (where | {"RANK": rank, "LOCAL_RANK": rank}).items()}
        processes.append(
            subprocess.Popen(
                [python, "-m", "nsface", *map(str, arguments)],
                env=os.environ | {"OMP_NUM_THREADS": "1"} | given,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
        )  # fmt: skip
    texts = [process.communicate(timeout=300) for process in processes]
    return [End(process.returncode, *both) for process, both in zip(processes, texts, strict=True)]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model and 26 images, two of which cannot be used."""
    write_tiny_model(tmp_path / "model.safetensors", width=112, template="arcface")
    for number in range(26):
        path = tmp_path / "faces" / f"p{number % 3}" / f"{number:02d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        crop = picture(112, 96 if number == 25 else 112, seed=number)
        path.write_bytes(b"text" if number in (1, 17) else encoded(crop))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("pooled", [[], ["--template-depth", "1"]])
def test_an_extraction_is_shared(nsface: Run, warm_python: str, place: Path, pooled: list[str]) -> None:
    command = ["extract", "model.safetensors", "faces", "--batch-size", 4, "--skip-bad", *pooled, *CPU, "-o"]
    alone = nsface(*command, "one.npy")
    assert alone.status == 0
    ends = together(warm_python, 3, *command, "three.npy")
    assert [end.status for end in ends] == [0, 0, 0]
    assert ends[0].err == alone.err.replace("one.npy", "three.npy")
    assert "skipped p1/01.png: not an image" in ends[0].err
    assert [end.out + end.err for end in ends[1:]] == ["", ""]
    for suffix in (".npy", ".names.txt", ".meta.json"):
        assert Path(f"three{suffix}").read_bytes() == Path(f"one{suffix}").read_bytes()
    assert not Path("three.npy.partial").exists()


def test_one_rank_reports_for_all_and_another_number_goes_on(
    nsface: Run, warm_python: str, place: Path
) -> None:
    command = ["extract", "model.safetensors", "faces", "--batch-size", 4, *CPU, "-o"]
    ends = together(warm_python, 2, *command, "two.npz")
    assert sorted(end.status for end in ends) == [1, 2]
    assert "".join(end.err for end in ends).count("2 of 26 images cannot be used") == 1
    assert not Path("two.npz").exists()
    assert nsface(*command, "two.npz", "--skip-bad").err.count("26 of 26 images were done") == 1
    assert nsface(*command, "one.npz", "--skip-bad").status == 0
    assert Path("one.npz").read_bytes() == Path("two.npz").read_bytes()
    refused = together(warm_python, 2, "extract", "model.safetensors", "-", "-o", "x.npz")
    assert "standard input cannot be shared" in "".join(end.err for end in refused)


def test_a_gallery_is_shared(
    nsface: Run, warm_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ties, and more blocks than processes."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    people = [f"p{number:05d}" for number in range(9000)]
    gallery = random.integers(-2, 3, (9000, 6)).astype(np.float32)
    probes = gallery[:300] + random.integers(-1, 2, (300, 6))
    strangers = random.integers(-2, 3, (200, 6)).astype(np.float32)
    names = [*(f"{p}/g.jpg" for p in people), *(f"{p}/p.jpg" for p in people[:300])]
    names += [f"s{number}/s.jpg" for number in range(200)]
    save(
        "faces.npy", Embeddings(names, np.concatenate([gallery, probes, strangers]).astype(np.float32) + 0.5)
    )
    lists = {"gallery": names[:9000], "probes": names[9000:9300], "impostors": names[9300:]}
    for what, listed in lists.items():
        Path(f"{what}.txt").write_text("".join(f"{name}\n" for name in listed))
    command: list[object] = ["eval-ident", "faces.npy"]
    for what in lists:
        command += [f"--{what}", f"{what}.txt"]
    for similarity in ("cosine", "euclidean"):
        given = [*command, "--similarity", similarity]
        alone = nsface(*given, "--json", "-")
        assert 0 < alone.json["closed_set"]["rank"]["1"] < 1
        first, second = together(warm_python, 2, *given, "--json", "-")
        assert (first.status, first.out, first.err) == (0, alone.out, alone.err)
        assert (second.status, second.out, second.err) == (0, "", "")
    first, second = together(warm_python, 2, *command, "--json", "ident.json")
    assert json.loads(Path("ident.json").read_text())["similarity"] == "cosine"
    assert second.out == ""


def test_a_model_is_scored_together(nsface: Run, warm_python: str, place: Path) -> None:
    for path in place.rglob("*.png"):
        if path.read_bytes() == b"text":
            path.write_bytes(encoded(picture(112, 112, seed=1)))
    lines = [
        f"p{i % 3}/{i:02d}.png\tp{j % 3}/{j:02d}.png\t{int(i % 3 == j % 3)}\n"
        for i in range(9)
        for j in range(9, 18)
    ]
    Path("pairs.txt").write_text("".join(lines))
    command = [
        "eval-pairs",
        "--model",
        "model.safetensors",
        "--images",
        "faces",
        "--pairs",
        "pairs.txt",
        *CPU,
    ]
    alone = nsface(*command, "--json", "-")
    first, second = together(warm_python, 2, *command, "--json", "-")
    assert (first.status, first.out) == (0, alone.out)
    assert (second.status, second.out) == (0, "")
