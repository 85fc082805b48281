"""`nsface verify` and `nsface identify`: decisions about images, one by one and as they come."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings, load, save
from tests.images.alignment.test_alignment import POINTS
from tests.images.pictures import encoded, picture
from tests.tiny_model import write_tiny_model

Run = Callable[..., Any]
OPTIONS = ["--device", "cpu", "--precision", "fp32"]
MODEL = ["--model", "m.safetensors", *OPTIONS]
ODD = {2: "line\nbreak ", 5: " blank ", 7: "a\ttab"}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nsface: Run) -> Path:
    """A model, and ten crops of five people with their embeddings; three names are odd."""
    write_tiny_model(tmp_path / "m.safetensors")
    monkeypatch.chdir(tmp_path)
    for number in range(10):
        path = Path("faces", f"p{number // 2}", f"{ODD.get(number, '')}{number:02d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(picture(112, 96, seed=number)))
    assert nsface("extract", "m.safetensors", "faces", "-o", "faces.npz", *OPTIONS).status == 0
    return tmp_path


def calibrated(**values: Any) -> None:
    """A threshold file of the embeddings in faces.npz."""
    meta = load("faces.npz").meta
    made_by = {key: meta[key] for key in ("model_digest", "preprocessing", "flip", "precision")}
    content = {
        "protocol": "threshold", "threshold": 0.5, "similarity": "cosine", "kind": "fmr", "target": 0.01,
        "achieved": 0.01, "upper_bound": 0.02, "confidence": 0.95, "method": "m", "impostors": 4000,
        "errors": 40, "people": 90, "list": "pairs.txt",
    }  # fmt: skip
    Path("t.json").write_text(json.dumps(content | made_by | values))


def images() -> list[str]:
    return sorted(str(path) for path in Path("faces").rglob("*.png"))


def score(first: str, second: str) -> float:
    """The cosine of two embeddings that `nsface extract` has made."""
    made = load("faces.npz")
    inside = [os.path.relpath(path, "faces") for path in (first, second)]
    names = [path.replace("\n", "\\x0a").replace("\t", "\\x09") for path in inside]
    a, b = np.asarray(made.vectors, np.float64)[made.rows(names)]
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def started(warm_python: str) -> Started:
    """`started(*arguments)` is `nsface ARGUMENTS…` in a process of its own."""

    def start(*arguments: str, **settings: Any) -> subprocess.Popen[bytes]:
        command = [warm_python, "-m", "nsface", *arguments]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **settings)

    return start


def asked(process: subprocess.Popen[bytes], text: bytes) -> dict[str, Any]:
    """Write `text` to a process that stays alive, and read the line that answers it."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(text)
    process.stdin.flush()
    line = process.stdout.readline()
    assert line, process.communicate()
    found: dict[str, Any] = json.loads(line)
    return found


def finished(process: subprocess.Popen[bytes]) -> tuple[int, bytes, str]:
    out, err = process.communicate(timeout=120)
    return process.returncode, out, err.decode()


class TestVerify:
    def test_two_images(self, nsface: Run, place: Path) -> None:
        first, second, *_ = images()
        expected = score(first, second)
        calibrated(threshold=expected - 1e-4)
        given = ["verify", first, second, *MODEL, "--threshold"]
        outcome = nsface(*given, "t.json", "--json", "-")
        assert outcome.status == 0, outcome.err
        assert outcome.json["score"] == pytest.approx(expected, abs=1e-5)
        assert outcome.json["same"] is True
        assert outcome.json["calibrated"]["upper_bound"] == 0.02
        assert "faces" not in outcome.json
        above = nsface(*given, repr(expected + 1e-4))
        assert above.status == 0
        assert "not the same person" in above.out
        same = nsface(*given, "t.json").out
        assert "decision   the same person" in same
        assert "at most 2.0000 % of pairs of different people reach it" in same
        assert (
            nsface(*given, repr(outcome.json["score"]), "--json", "-").json["same"] is True
        )  # score ≥ threshold

    def test_without_a_threshold_there_is_no_decision(self, nsface: Run, place: Path) -> None:
        outcome = nsface("verify", *images()[:2], *MODEL)
        assert outcome.status == 0
        assert "that takes a threshold (`nsface calibrate`" in " ".join(outcome.out.split())
        assert nsface("verify", *images()[:2], *MODEL, "--json", "-").json["same"] is None

    def test_an_image_and_itself(self, nsface: Run, place: Path) -> None:
        assert nsface("verify", *[images()[0]] * 2, *MODEL, "--json", "-").json["score"] == pytest.approx(1)

    @pytest.mark.parametrize(
        ("values", "message"),
        [
            ({"model_digest": "b" * 64}, "calibrated for another model than that of m.safetensors"),
            ({"flip": "none"}, "calibrated for another flip mode"),
            ({"upper_bound": 0.001}, "'upper_bound' 0.001 is below 'achieved' 0.01"),
        ],
    )
    def test_a_threshold_that_does_not_fit(
        self, nsface: Run, place: Path, values: dict[str, Any], message: str
    ) -> None:
        calibrated(**values)
        outcome = nsface("verify", *images()[:2], *MODEL, "--threshold", "t.json")
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert message in outcome.err

    def test_images_that_cannot_be_used(self, nsface: Run, place: Path) -> None:
        Path("large.png").write_bytes(encoded(picture(250, 250)))
        outcome = nsface("verify", images()[0], "large.png", *MODEL)
        assert (outcome.status, outcome.out) == (2, "")
        assert "large.png: 250×250 (height × width) where 112×96 is needed; align it first, or" in outcome.err
        outcome = nsface("verify", "\x1b[31m\n.png", images()[0], *MODEL)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert "\\x1b[31m" in outcome.err

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["a.png"], "two images, A and B, or --pairs FILE"),
            (["a.png", "b.png", "--pairs", "x"], "two images, A and B, or --pairs FILE"),
            (["a.png", "b.png", "-0"], "-0 is about the paths in --pairs"),
            (["--pairs", "x", "--json", "x.json"], "redirect standard output"),
            (["--pairs", "nowhere.tsv"], "nowhere.tsv"),
            (["a.png", "b.png", "--threshold", "nan"], "a threshold is a score"),
            (["a.png", "b.png", "--threshold", "no\nwhere.json"], "cannot be read"),
        ],
    )
    def test_usage(self, nsface: Run, place: Path, arguments: list[str], message: str) -> None:
        outcome = nsface("verify", *arguments, *MODEL)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert message in outcome.err


class TestManyPairs:
    def test_each_pair_is_answered_when_it_has_come(self, started: Started, place: Path) -> None:
        plain = [path for path in images() if path.isprintable() and " " not in path]
        process = started(
            "verify", "--pairs", "-", *MODEL, "--threshold", "0.9", "--quiet", stdin=subprocess.PIPE
        )
        for first, second in [*pairwise(plain), (plain[0], plain[1])]:
            found = asked(process, f"{first}\t{second}\n".encode())
            assert (found["first"], found["second"]) == (first, second)
            assert found["score"] == pytest.approx(score(first, second), abs=1e-5)
            assert found["same"] is (found["score"] >= 0.9)
        assert finished(process) == (0, b"", "")

    def test_names_of_any_bytes(self, started: Started, place: Path) -> None:
        names = images()
        assert any("\n" in name for name in names)
        text = "".join(f"{first}\0{second}\0" for first, second in zip(names, reversed(names), strict=True))
        process = started("verify", "--pairs", "-", "-0", *MODEL, stdin=subprocess.PIPE)
        out, err = process.communicate(text.encode(), timeout=120)
        assert process.returncode == 0, err
        found = [json.loads(line) for line in out.splitlines()]
        assert [one["first"] for one in found] == names
        for one in found:
            assert one["score"] == pytest.approx(score(one["first"], one["second"]), abs=1e-5)

    def test_a_bad_image_is_a_line_and_the_others_go_on(self, nsface: Run, place: Path) -> None:
        Path("bad.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
        good = images()[0]
        Path("pairs.tsv").write_bytes(
            f"# comment\n\n{good}\tbad.png\r\n{good}\t{good}\nnone.png\tbad.png".encode()
        )
        given = ["verify", "--pairs", "pairs.tsv", *MODEL, "--threshold", "0.5"]
        outcome = nsface(*given)
        first, second, third = map(json.loads, outcome.out.splitlines())
        assert outcome.status == 2
        assert outcome.err.count("\n") == 1
        assert "2 of 3 pairs could not be used" in outcome.err
        assert (first["score"], first["same"]) == (None, None)
        assert first["error"].startswith("bad.png: ")
        assert second["same"] is True
        assert "none.png: no such file" in third["error"]
        assert "; bad.png: " in third["error"]
        assert nsface(*given, "--skip-bad").status == 0

    @pytest.mark.parametrize(
        ("text", "options", "message"),
        [
            (b"", (), "no pairs in it"),
            (b"one\n", (), "pairs.tsv:1: a line is A<TAB>B"),
            (b"#\none\ttwo\tthree\n", (), "pairs.tsv:2: a line is A<TAB>B"),
            (b"\ttwo\n", (), "pairs.tsv:1: a line is A<TAB>B"),
            (b"a\0b\0c\0", ("-0", "--skip-bad"), "an odd number of paths"),
            (b"x" * 100_000, (), "100,000 bytes without an end of line"),
        ],
    )
    def test_lists_that_are_none(
        self, nsface: Run, place: Path, text: bytes, options: Sequence[str], message: str
    ) -> None:
        Path("pairs.tsv").write_bytes(text)
        outcome = nsface("verify", "--pairs", "pairs.tsv", *MODEL, *options)
        assert (outcome.status, outcome.err.count("\n")) == (2, 1)
        assert message in outcome.err

    def test_whoever_reads_may_stop(self, started: Started, place: Path) -> None:
        good = images()[0]
        process = started("verify", "--pairs", "-", *MODEL, stdin=subprocess.PIPE)
        assert asked(process, f"{good}\t{good}\n".encode())["score"] == pytest.approx(1)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.close()
        process.stdin.write(f"{good}\t{good}\n".encode())
        process.stdin.close()
        assert process.wait(60) == 0
        assert process.stderr is not None
        assert process.stderr.read() == b""


class TestIdentify:
    def test_embeddings_against_a_loop(self, nsface: Run, place: Path) -> None:
        random = np.random.default_rng(0)
        vectors = random.normal(size=(60, 6)).astype(np.float32)
        names = [f"P{i // 3:02d}/{i % 3}.jpg" for i in range(60)]
        save("g.npy", Embeddings(names[:40], vectors[:40], {}))
        save("p.npz", Embeddings(names[40:], vectors[40:], {}))
        outcome = nsface("identify", "g.npy", "p.npz", "--top", "3", "--threshold", "0.7", "--jsonl")
        assert outcome.status == 0
        assert "of the same model, preprocessing and flip mode could not be checked" in outcome.err
        found = [json.loads(line) for line in outcome.out.splitlines()]
        assert [one["probe"] for one in found] == names[40:]
        unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1)[:, None]
        for one, probe in zip(found, unit[40:], strict=True):
            people = np.array([(unit[:40] @ probe)[i : i + 3].max() for i in range(0, 40, 3)])
            order = np.argsort(-people)[:3]
            assert [candidate["person"] for candidate in one["candidates"]] == [f"P{i:02d}" for i in order]
            assert [candidate["score"] for candidate in one["candidates"]] == pytest.approx(people[order])
            assert one["identified"] == (f"P{order[0]:02d}" if people[order[0]] >= 0.7 else None)
        whole = nsface("identify", "g.npy", "p.npz", "--top", "3", "--threshold", "0.7", "--json", "-").json
        assert whole["probes"] == found
        assert (whole["people"], whole["images"], whole["gallery"]) == (14, 40, "g.npy")
        table = nsface("identify", "g.npy", "p.npz", "--threshold", "0.7", "--json", "whole.json").out
        assert table.count("identified") == sum(one["identified"] is not None for one in found)
        assert table.count("unknown") == sum(one["identified"] is None for one in found)
        assert len(json.loads(Path("whole.json").read_text())["probes"]) == 20

    def test_each_image_is_answered_when_it_has_come(self, started: Started, place: Path) -> None:
        arguments = ("identify", "faces.npz", "-", *MODEL, "--threshold", "0.9999", "--jsonl", "-0")
        process = started(*arguments, stdin=subprocess.PIPE)
        for number, path in enumerate(images()):
            found = asked(process, os.fsencode(path) + b"\0")
            assert (found["probe"], found["identified"]) == (path, f"p{number // 2}")
        Path("frame.png").write_bytes(Path(images()[0]).read_bytes())
        assert asked(process, b"frame.png\0")["identified"] == "p0"
        Path("frame.png").write_bytes(Path(images()[-1]).read_bytes())  # as a camera would
        os.utime("frame.png", ns=(1, 1))
        assert asked(process, b"frame.png\0")["identified"] == "p4"
        assert asked(process, b"nowhere.png\0")["error"] == "no such file or directory"
        status, out, err = finished(process)
        assert (status, out) == (2, b"")
        assert err.endswith(
            "1 of 13 probes could not be used, as the results say; --skip-bad takes it for success\n"
        )

    def test_the_table_comes_line_by_line_too(self, started: Started, place: Path) -> None:
        process = started(
            "identify", "faces.npz", "-", *MODEL, "--threshold", "0.9999", stdin=subprocess.PIPE
        )
        assert process.stdin is not None
        assert process.stdout is not None
        head = [process.stdout.readline().decode() for _ in range(3)]
        assert head[0] == "gallery faces.npz: 10 images of 5 people\n"
        assert head[2].split() == ["rank", "score", "decision", "person", "probe"]
        process.stdin.write(os.fsencode(images()[0]) + b"\n")
        process.stdin.flush()
        assert process.stdout.readline().split()[2:] == [b"identified", b"p0", os.fsencode(images()[0])]
        assert finished(process)[0] == 0

    def test_folders_of_images(self, nsface: Run, place: Path) -> None:
        Path("staff").mkdir()
        for name, path in zip(["ann", "bo", "cy"], images()[::4], strict=False):
            Path("staff", f"{name}.png").write_bytes(Path(path).read_bytes())
        outcome = nsface("identify", "staff", "faces", *MODEL, "--threshold", "0.99999", "--jsonl")
        assert outcome.status == 0, outcome.err
        found = {one["probe"]: one["identified"] for one in map(json.loads, outcome.out.splitlines())}
        assert sorted(filter(None, found.values())) == ["ann", "bo", "cy"]
        one = nsface("identify", "staff", images()[4], *MODEL, "--threshold", "0.99999", "--jsonl")
        assert json.loads(one.out)["identified"] == "bo"

    def test_a_gallery_with_a_bad_image(self, nsface: Run, place: Path) -> None:
        Path("faces/p0/bad.png").write_bytes(b"")
        outcome = nsface("identify", "faces", images()[2], *MODEL)
        assert (outcome.status, outcome.out) == (2, "")
        assert "faces: 1 of 11 images cannot be used: p0/bad.png: empty file" in outcome.err
        outcome = nsface("identify", "faces", images()[2], *MODEL, "--skip-bad", "--json", "-")
        assert outcome.status == 0
        assert outcome.json["images"] == 10
        assert "skipped p0/bad.png: empty file" in outcome.err

    def test_another_model_is_refused(self, nsface: Run, place: Path) -> None:
        write_tiny_model(Path("other.safetensors"), seed=1)
        outcome = nsface("identify", "faces.npz", images()[0], "--model", "other.safetensors", *OPTIONS)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        assert "made with another model than the gallery faces.npz" in outcome.err
        outcome = nsface("identify", "faces.npz", images()[0], *MODEL, "--flip", "none")
        assert "made with another flip mode than the gallery" in outcome.err

    def test_thresholds_of_other_kinds_are_noted(self, nsface: Run, place: Path) -> None:
        calibrated()
        given = ["identify", "faces.npz", "faces.npz", "--threshold", "t.json"]
        outcome = nsface(*given)
        assert "calibrated for an FMR, of one comparison" in outcome.err
        assert "up to 20.00 % of the people" in outcome.err  # 10 images × 0.02
        assert nsface("--quiet", *given).err == ""
        calibrated(kind="fpir", gallery_size=9)
        assert "a gallery of 9 people, applied to 5" in nsface(*given).err
        calibrated(kind="fpir", gallery_size=5)
        outcome = nsface(*given)
        assert (outcome.status, outcome.err) == (0, "")
        assert "people who are not in a gallery of 5 people reach it" in " ".join(outcome.out.split())

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["faces.npz", "faces"], "images take --model"),
            (["faces.npz", "faces.npz", "--model", "m.safetensors"], "do not go with two embeddings files"),
            (["faces.npz", "faces.npz", "--flip", "none"], "do not go with two embeddings files"),
            (["faces.npz", "faces", *MODEL, "-0"], "give - for PROBES"),
            (["faces.npz", "faces.npz", "--jsonl", "--json", "-"], "two ways to print"),
            (["faces.npz", "nowhere", *MODEL], "no such file or folder"),
            (["faces.npz", "-", *MODEL], "standard input: no probes in it"),
            (["m.safetensors", "-", *MODEL], "m.safetensors"),
        ],
    )
    def test_usage(
        self,
        started: Started,
        nsface: Run,
        place: Path,
        monkeypatch: pytest.MonkeyPatch,
        arguments: list[str],
        message: str,
    ) -> None:
        status, _, err = finished(started("identify", *arguments, stdin=subprocess.DEVNULL))
        assert (status, err.count("\n")) == (2, 1)
        assert message in err

    def test_whoever_reads_may_stop(self, started: Started, place: Path) -> None:
        save("many.npz", Embeddings([f"p/{i}" for i in range(20_000)], np.ones((20_000, 4), np.float32)))
        save("one.npz", Embeddings(["a/1"], np.ones((1, 4), np.float32)))
        process = started("identify", "one.npz", "many.npz", "--jsonl", "--quiet")
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["candidates"][0]["person"] == "a"
        process.stdout.close()
        assert process.wait(60) == 0


def test_photographs_are_aligned_as_by_nsface_align(nsface: Run, place: Path) -> None:
    """And the points are in the JSON; one of them is mirrored, and no face."""
    lines = []
    for number in range(4):
        path = Path("photos", f"p{number}", f"{number}.png")
        path.parent.mkdir(parents=True)
        path.write_bytes(encoded(picture(200, 150, seed=number)))
        points = np.array(POINTS) * 1.2 + number
        points = points[[1, 0, 2, 4, 3]] if number == 3 else points
        numbers = " ".join(f"{x:.2f}" for x in points.ravel())
        lines += [f"p{number}/{number}.png {numbers} 0.75", f"photos/p{number}/{number}.png {numbers} 0.75"]
    Path("points.txt").write_text("\n".join(lines))
    given = ["--landmarks", "points.txt"]
    assert nsface("align", "photos", "crops", *given, "--format", "png", "--skip-bad").status == 0
    photos = [f"photos/p{i}/{i}.png" for i in range(4)]
    crops = [path.replace("photos", "crops") for path in photos]
    expected = nsface("verify", *crops[:2], *MODEL, "--json", "-").json
    found = nsface("verify", *photos[:2], *MODEL, "--align", *given, "--json", "-").json
    assert found["score"] == pytest.approx(expected["score"], abs=1e-5)
    assert [face["confidence"] for face in found["faces"]] == [0.75, 0.75]
    np.testing.assert_allclose(found["faces"][1]["points"], np.array(POINTS) * 1.2 + 1, atol=0.01)
    calibrated()
    noted = nsface("verify", *photos[:2], *MODEL, "--align", *given, "--threshold", "t.json")
    assert noted.status == 0
    assert "calibrated on images of unknown alignment, and applied to images aligned by points" in noted.err
    outcome = nsface("verify", photos[0], photos[3], *MODEL, "--align", *given)
    assert (outcome.status, outcome.err.count("\n")) == (2, 1)
    assert "photos/p3/3.png: points.txt:8: the points are not those of a face" in outcome.err
    aligned = nsface(
        "identify",
        "photos",
        "photos",
        *MODEL,
        "--align",
        *given,
        "--jsonl",
        "--skip-bad",
        "--threshold",
        "0.9999",
    )
    assert aligned.status == 0
    answers = [json.loads(line) for line in aligned.out.splitlines()]
    assert [one["identified"] for one in answers] == ["p0", "p1", "p2", None]
    assert answers[0]["face"]["confidence"] == 0.75
    assert "not those of a face" in answers[3]["error"]
