"""Every command whose output is a result prints, writes and draws what it did: `tests/golden/`.

A golden file holds the command, the lines of its table and of its notes, the object that --json writes (with
its keys in their order) and the names of the figures. Where a change of them is meant, write them anew and
read the difference:

    NSFACE_GOLDEN=write python -m pytest tests/cli/test_golden.py && git diff tests/golden
"""

from __future__ import annotations

import contextlib
import html.parser
import io
import json
import math
import os
import shlex
from pathlib import Path
from typing import Any

import pytest

from nsface.cli import main
from tests.cli.golden_inputs import write_inputs, write_run

GOLDEN = Path(__file__).parents[1] / "golden"
LFW_IDENTIFICATION = "--people people.txt --subjects subjects.txt"
OWN_LISTS = "--gallery gallery.txt --probes probes.txt"
IJB_LISTS = "--faces media.txt --pairs templates.txt"
ON_CPU = "--device cpu --precision fp32"
CASES = {
    "lfw": "eval-lfw faces.npz --pairs pairs.txt --calibration --plots plots",
    "lfw-audit": "eval-lfw faces.npz --pairs pairs.txt --pca 8 --audit",
    "lfw-view-1": "eval-lfw faces.npz --pairs view1-test.txt --train-pairs view1-train.txt",
    "lfw-no-threshold": "eval-lfw faces.npz --pairs view1-test.txt --far 0.1",
    "lfw-errata": "eval-lfw faces.npz --pairs pairs.txt --errata errata.txt --far 0.1 --far 0.3",
    "lfw-euclidean": "eval-lfw faces.npz --pairs pairs.txt --similarity euclidean",
    "lfw-center": "eval-lfw faces.npz --pairs pairs.txt --center",
    "lfw-pca": "eval-lfw faces.npz --pairs pairs.txt --pca 8 --calibration",
    "lfw-shared-people": "eval-lfw faces.npz --pairs shared.txt",
    "fglfw": "eval-fglfw fglfw.npz --pairs fglfw.txt",
    "fglfw-like": "eval-fglfw like.npz --pairs like.txt",
    "fglfw-named": "eval-fglfw like.npz --pairs like.txt --name mine --far 0.1",
    "ytf-mean": "eval-ytf frames.npz --splits splits.txt",
    "ytf-pairs": "eval-ytf frames.npz --splits splits.txt --pool pairs --calibration",
    "ytf-templates": "eval-ytf templates.npz --splits splits.txt",
    "ident-single": f"eval-ident faces.npz {LFW_IDENTIFICATION} --far 0.1 --plots plots",
    "ident-multi": f"eval-ident faces.npz {LFW_IDENTIFICATION} --open-gallery multi",
    "ident-fuse-mean": f"eval-ident faces.npz {LFW_IDENTIFICATION} --open-gallery multi --fuse mean",
    "ident-trial": "eval-ident faces.npz --lists trial1",
    "ident-trials": "eval-ident faces.npz --lists trial1 --lists trial2 --plots plots",
    "ident-own": f"eval-ident faces.npz {OWN_LISTS} --impostors impostors.txt --far 0.1",
    "ident-own-closed": f"eval-ident faces.npz {OWN_LISTS} --similarity euclidean",
    "ident-center": f"eval-ident faces.npz {OWN_LISTS} --center --pca 12 --fit-on strangers.npz",
    "ident-audit": f"eval-ident faces.npz {LFW_IDENTIFICATION} --far 0.1 --audit",
    "blufr": "eval-blufr faces.npz --lists blufr --plots plots",
    "bin": f"eval-bin model.safetensors easy.bin again.bin {ON_CPU} --calibration --plots plots",
    "ijb": f"eval-ijb ijb.npz {IJB_LISTS} --far 0.01 --far 0.1 --plots plots",
    "ijb-failures": f"eval-ijb ijb-some.npz {IJB_LISTS} --failure-to-enrol lowest",
    "pairs-made-folds": "eval-pairs faces.npz --pairs own.tsv",
    "pairs-given-folds": "eval-pairs faces.npz --pairs folds.tsv --calibration",
    "pairs-no-folds": "eval-pairs faces.npz --pairs few.tsv --plots plots",
    "pairs-cplfw": "eval-pairs faces.npz --pairs cplfw.txt",
    "pairs-prefix": "eval-pairs crops.npz --name-prefix crops/ --pairs own.tsv",
    "pairs-zeros": "eval-pairs zeros.npz --pairs own.tsv",
    "pairs-model": f"eval-pairs --model model.safetensors --images images --pairs images.tsv {ON_CPU}",
    "compare-lfw": "compare faces.npz worse.npz --pairs pairs.txt --plots plots",
    "compare-fglfw": "compare like.npz like-worse.npz --protocol fglfw --pairs like.txt",
    "compare-ytf": "compare frames.npz frames-worse.npz --protocol ytf --pairs splits.txt",
    "compare-pairs": "compare faces.npz worse.npz --protocol pairs --pairs own.tsv",
    "compare-itself": "compare faces.npz faces.npz --protocol pairs --pairs own.tsv",
    "compare-bin": "compare bin-good.npz bin-bad.npz --protocol bin --pairs easy.bin",
    "compare-ijb": f"compare ijb.npz ijb-worse.npz --protocol ijb {IJB_LISTS} --plots plots",
    "compare-ident": f"compare faces.npz worse.npz --protocol ident {LFW_IDENTIFICATION} --plots plots",
    "overlap": "overlap train.npz test.npz",
    "overlap-names": "overlap train.npz test.npz --names identities.txt --threshold 0.7 --sort lead --top 3",
    "overlap-pictures": "overlap images.npz shared.npz --pictures --train-images images --test-images shared",
    "inspect": "inspect images --plots plots",
    "inspect-faults": "inspect odd",
    "saturation": "saturation runs/softmax runs/noisy -o plots/saturation.svg",
    "fuse": "fuse faces.npz worse.npz zeros.npz -o fused.npz",
    "extract": f"extract model.safetensors images -o extracted.npz {ON_CPU}",
}
WITHOUT_JSON = ("fuse", "extract")
# Results that lie in the run folder of the report. They are read from the golden files themselves.
REPORTED = ("lfw", "fglfw", "ytf-mean", "ident-trials", "blufr", "bin", "ijb", "compare-lfw", "compare-ident")
# Keys below which a number is a score, or made of scores, with the rounding of float32 in it.
SCORES = {
    "threshold",
    "score",
    "scores",
    "image_score",
    "lead",
    "low",
    "high",
    "alignment",
    "confidence",
    "ece",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("golden")
    write_inputs(folder)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_command(name: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in inputs.iterdir():
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")  # no table is broken
    Path("plots").mkdir()
    arguments = shlex.split(CASES[name])
    if name not in WITHOUT_JSON:
        arguments += ["--json", "result.json"]
    table, notes = call(arguments)
    found: dict[str, Any] = {"command": CASES[name], "table": table, "notes": notes}
    if name not in WITHOUT_JSON:
        found["json"] = json.loads(Path("result.json").read_text(encoding="utf-8"))
    found["plots"] = sorted(path.relative_to("plots").as_posix() for path in Path("plots").rglob("*.*"))
    check(name, found)


def test_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Titles, headings and captions of the page of a run folder with results of every kind."""
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run", 0)
    for name in REPORTED:
        (tmp_path / "run" / f"{name}.json").write_text(json.dumps(read(name)["json"]))
    output, notes = call(["report", "run"])
    headings = Headings()
    headings.feed((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    check("report", {"command": "report run", "table": output, "notes": notes, "headings": headings.found})


class Headings(html.parser.HTMLParser):
    """The texts of a page that say what is below them, each with its tag."""

    TAGS = ("title", "h1", "h2", "h3", "h4", "caption", "figcaption")

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.TAGS:
            self._tag = tag
            self.found.append(f"{tag}: ")

    def handle_endtag(self, tag: str) -> None:
        if tag == self._tag:
            self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag:
            self.found[-1] += data


def call(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Run `nsface ARGUMENTS…`, which must do its work; lines of standard output and of standard error."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 0, err.getvalue()
    return out.getvalue().splitlines(), err.getvalue().splitlines()


def read(name: str) -> dict[str, Any]:
    golden: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return golden


def check(name: str, found: dict[str, Any]) -> None:
    """Compare what was found with the golden file, or write the file where the environment says so."""
    if os.environ.get("NSFACE_GOLDEN") == "write":
        (GOLDEN / f"{name}.json").write_text(written(found), encoding="utf-8")
    golden = read(name)
    assert list(found) == list(golden)
    for part in found:
        if part == "json":
            assert differences(found[part], golden[part], "json") == []
        else:
            assert found[part] == golden[part], f"{part} of `nsface {golden['command']}`"


def written(found: dict[str, Any]) -> str:
    """A golden file: a line of the terminal a line, a key of the result a line, nine digits a number."""

    def dump(value: Any) -> str:
        return json.dumps(rounded(value), ensure_ascii=False, separators=(", ", ": "))

    parts = []
    for part, value in found.items():
        if isinstance(value, dict):
            inner = ",\n".join(f"  {dump(key)}: {dump(item)}" for key, item in value.items())
            parts.append(f"{dump(part)}: {{\n{inner}\n}}")
        elif isinstance(value, list) and value:
            parts.append(f"{dump(part)}: [\n" + ",\n".join(f"  {dump(item)}" for item in value) + "\n]")
        else:
            parts.append(f"{dump(part)}: {dump(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else value


def differences(found: Any, golden: Any, place: str, score: bool = False) -> list[str]:
    """What differs: kinds, keys and their order, texts and lengths exactly, numbers beyond rounding."""
    if type(found) is not type(golden):
        return [f"{place}: {found!r}, not {golden!r}"]
    if isinstance(golden, dict):
        if list(found) != list(golden):
            return [f"{place}: keys {list(found)}, not {list(golden)}"]
        pairs = [(f"{place}.{key}", key in SCORES or score, found[key], golden[key]) for key in golden]
    elif isinstance(golden, list):
        if len(found) != len(golden):
            return [f"{place}: {len(found)} items, not {len(golden)}"]
        pairs = [(f"{place}[{i}]", score, *both) for i, both in enumerate(zip(found, golden, strict=True))]
    elif isinstance(golden, float):
        near = math.isclose(found, golden, rel_tol=1e-6, abs_tol=5e-6 if score else 1e-9)
        return [] if near else [f"{place}: {found!r}, not {golden!r}"]
    else:
        return [] if found == golden else [f"{place}: {found!r}, not {golden!r}"]
    return [one for where, is_score, a, b in pairs for one in differences(a, b, where, is_score)]


@pytest.mark.parametrize(
    ("found", "count"),
    [
        ({"a": [0.5, 1e-9], "threshold": 0.300002}, 0),
        ({"a": [0.500001, 1e-9], "threshold": 0.3}, 1),
        ({"a": [0.5, 3e-9], "threshold": 0.30001}, 2),
        ({"a": [0.5], "threshold": 0.3}, 1),
        ({"a": [0.5, 0], "threshold": 0.3}, 1),
        ({"threshold": 0.3, "a": [0.5, 1e-9]}, 1),
    ],
)
def test_differences(found: dict[str, Any], count: int) -> None:
    assert len(differences(found, {"a": [0.5, 1e-9], "threshold": 0.3}, "json")) == count
