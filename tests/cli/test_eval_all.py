"""`nsface eval-all`: embeddings or models, one table, one JSON, one card."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings, extraction, load, save
from nsface.results import AllProtocols, read_result
from tests.cli.golden_inputs import write_inputs
from tests.images.pictures import encoded
from tests.tiny_model import write_tiny_model

Run = Callable[..., Any]
ON_CPU = ("--device", "cpu", "--precision", "fp32")


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    write_inputs(folder)
    return folder


@pytest.fixture
def lists(tmp_path: Path, golden: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    for name in ("pairs.txt", "people.txt", "subjects.txt", "splits.txt", "easy.bin"):
        shutil.copy(golden / name, folder)
    return folder


def test_table_json_and_card_say_the_same(nsface: Run, golden: Path, lists: Path, tmp_path: Path) -> None:
    card, file = tmp_path / "card.html", tmp_path / "all.json"
    arguments = ("--against", golden / "worse.npz", "--lists", lists, "-o", card, "--json", file)
    found = nsface("eval-all", golden / "faces.npz", *arguments)
    assert found.status == 0
    content = json.loads(file.read_text())
    alone = nsface("eval-lfw", golden / "faces.npz", "--pairs", lists / "pairs.txt", "--json", "-").json
    assert content["protocol"] == "all"
    assert content["results"][0] == alone
    assert re.search(r"LFW View 2 +80\.00 ± 4\.08 +63\.01 – 90\.38 +40 +no", found.out)
    assert "YouTube Faces: 40 of 40 videos have no frames" in found.out
    assert "easy.bin: its images lie in the file: a model is needed" in " ".join(found.out.split())
    page = card.read_text()
    for value in ("80.00", "63.01 – 90.38", "Differences from worse", "YouTube Faces", "p, Holm"):
        assert value in page
    assert "Published figures" not in page, "none of these lists is official"
    read = read_result(content, file)
    assert isinstance(read, AllProtocols)
    assert read.to_json() == content
    assert read.table(80) + "\n" == found.out


def test_json_alone_is_on_standard_output(nsface: Run, golden: Path, lists: Path) -> None:
    found = nsface("eval-all", golden / "faces.npz", "--lists", lists, "--json", "-")
    assert found.json["scores"][0]["title"] == "LFW View 2"
    assert found.json["scores"][0]["lists"] == [str(lists / "pairs.txt")]


def test_half_the_images_score_whole_lists_only(
    nsface: Run, golden: Path, lists: Path, tmp_path: Path
) -> None:
    faces = load(golden / "faces.npz")
    save(tmp_path / "half.npz", Embeddings(list(faces.names[:40]), faces.vectors[:40]))
    shutil.copy(golden / "few.tsv", lists)
    content = nsface("eval-all", tmp_path / "half.npz", "--lists", lists, "--json", "-").json
    assert [one["title"] for one in content["scores"]] == ["Your own pairs"]
    missing = {one["title"]: one.get("missing") for one in content["not_run"]}
    assert missing == {"LFW View 2": 40, "LFW identification": 40, "YouTube Faces": 40, "easy.bin": None}


def test_a_prefix_is_proposed_and_taken(nsface: Run, golden: Path, lists: Path) -> None:
    crops = golden / "crops.npz"
    refused = nsface("eval-all", crops, "--lists", lists)
    assert refused.status == 2
    assert "give `--name-prefix crops/`" in refused.err
    assert nsface("eval-all", crops, "--lists", lists, "--name-prefix", "crops/").status == 0


def test_nothing_found_is_one_line(nsface: Run, golden: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder, problem in (("empty", "no list of a protocol in it"), ("nothing", "no such folder")):
        found = nsface("eval-all", golden / "faces.npz", "--lists", tmp_path / folder)
        assert (found.status, found.out, found.err.count("\n")) == (2, "", 1)
        assert problem in found.err


def test_options_of_a_model_do_not_go_with_embeddings(nsface: Run, golden: Path, lists: Path) -> None:
    for option, value in (("--images", golden), ("--flip", "none"), ("--device", "cpu")):
        found = nsface("eval-all", golden / "faces.npz", "--lists", lists, option, value)
        assert found.status == 2
        assert f"{option} goes with a model" in found.err
    assert "neither embeddings" in nsface("eval-all", lists / "pairs.txt", "--lists", lists).err


@pytest.fixture
def images(tmp_path: Path, lists: Path) -> Path:
    """The images of pairs.txt, frames of every video, and an image that no list needs, which is broken."""
    folder, random = tmp_path / "images", np.random.default_rng(0)
    names = [f"P{p:02d}/P{p:02d}_{i:04d}.png" for p in range(20) for i in range(1, 5)]
    names += [f"P{p:02d}/{video}/{frame}.png" for p in range(20) for video in (0, 1) for frame in range(2)]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(random.integers(0, 256, (112, 96, 3)).astype(np.uint8)))
    (folder / "P00" / "other.png").write_bytes(b"no picture")
    return folder


def test_a_model_embeds_what_is_needed_once(
    nsface: Run, lists: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors")
    extracted: list[int] = []
    given = extraction.extract

    def counting(models: Any, source: Any, **options: Any) -> Any:
        templates = options.get("templates") or source.names
        extracted.append(sum(template is not None for template in templates))
        return given(models, source, **options)

    monkeypatch.setattr(extraction, "extract", counting)
    arguments = ("--images", images, "--lists", lists, *ON_CPU)
    found = nsface("eval-all", model, *arguments, "--json", "-")
    assert extracted == [80, 80, 40], "the faces, the frames of the videos, the images of the .bin set"
    content = found.json
    assert [one["title"] for one in content["scores"]][:2] == ["LFW View 2", "YouTube Faces"]
    assert content["not_run"] == []
    (images / "P00" / "other.png").unlink()
    alone = {
        "LFW View 2": ("eval-lfw", "--pairs", lists / "pairs.txt"),
        "YouTube Faces": ("eval-ytf", "--splits", lists / "splits.txt"),
    }
    accuracy = {one["title"]: one["value"] for one in content["scores"]}
    for title, (command, *options) in alone.items():
        single = nsface(command, "--model", model, "--images", images, *options, *ON_CPU, "--json", "-").json
        assert accuracy[title] == single["accuracy"]
    single = nsface("eval-bin", model, lists / "easy.bin", *ON_CPU, "--json", "-").json
    assert accuracy["easy.bin"] == single["sets"][0]["accuracy"]


def test_two_models_are_compared(nsface: Run, lists: Path, images: Path, tmp_path: Path) -> None:
    models = [write_tiny_model(tmp_path / f"{seed}.safetensors", seed) for seed in range(2)]
    arguments = ("--against", models[1], "--images", images, "--lists", lists, *ON_CPU)
    content = nsface("eval-all", models[0], *arguments, "--json", "-").json
    titles = {one["title"] for one in content["differences"]}
    assert titles == {"LFW View 2", "YouTube Faces", "LFW identification", "easy.bin"}


def test_nothing_is_extracted_where_nothing_can_be_scored(
    nsface: Run, lists: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors")
    (lists / "easy.bin").unlink()
    (lists / "splits.txt").unlink()
    (images / "P05" / "P05_0001.png").unlink()
    monkeypatch.setattr(extraction, "extract", lambda *_, **__: pytest.fail("it was extracted for nothing"))
    found = nsface("eval-all", model, "--images", images, "--lists", lists, *ON_CPU)
    assert found.status == 2
    assert "1 of 80 images are not among the images: P05/P05_0001.jpg" in found.err


def test_a_model_without_images_is_scored_on_sets_that_have_their_own(
    nsface: Run, lists: Path, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors")
    found = nsface("eval-all", model, "--lists", lists, *ON_CPU)
    assert found.status == 0
    assert "easy.bin" in found.out
    assert "LFW View 2: it needs images: give --images" in found.out


def test_a_model_that_cannot_be_used_is_no_fault_of_the_lists(
    nsface: Run, lists: Path, tmp_path: Path
) -> None:
    model = write_tiny_model(tmp_path / "m.safetensors")
    model.write_bytes(model.read_bytes()[:-100])
    found = nsface("eval-all", model, "--lists", lists, *ON_CPU)
    assert found.status == 2
    assert found.err.startswith("nsface: ")
    assert "m.safetensors" in found.err


def test_a_report_shows_each_result_of_the_file(
    nsface: Run, golden: Path, lists: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(golden / "runs" / "noisy", run)
    faces = golden / "faces.npz"
    nsface("eval-all", faces, "--against", golden / "worse.npz", "--lists", lists, "--json", run / "all.json")
    nsface("eval-lfw", faces, "--pairs", lists / "pairs.txt", "--json", run / "lfw.json")
    assert nsface("report", run).status == 0
    page = (run / "report.html").read_text()
    headings = re.findall(r"<h2[^>]*>([^<]*)</h2>", page)
    assert headings.count("LFW verification") == 1, "what has a file of its own is shown once"
    assert "LFW identification" in headings
    assert "<h3>faces against worse</h3>" in page


@pytest.mark.parametrize("name", ["faces.npz", "pairs.txt", "model.safetensors"])
def test_an_input_is_not_overwritten_by_the_card(
    nsface: Run, golden: Path, lists: Path, tmp_path: Path, name: str
) -> None:
    source = next(golden.rglob(name))
    own = Path(shutil.copy(source, tmp_path / name))
    found = nsface("eval-all", golden / "faces.npz", "--lists", lists, "-o", own)
    assert found.status == 2
    assert "is there and is no HTML page; --output would overwrite it" in found.err
    assert own.read_bytes() == source.read_bytes()


def test_card_and_json_are_two_files(nsface: Run, golden: Path, lists: Path, tmp_path: Path) -> None:
    one = tmp_path / "all"
    found = nsface("eval-all", golden / "faces.npz", "--lists", lists, "-o", one, "--json", one)
    assert (found.status, one.exists()) == (2, False)
    assert "are one file; give two" in found.err
