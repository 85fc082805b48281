"""`nsface report`: from run folders to one page that stands alone."""

from __future__ import annotations

import functools
import html.parser
import http.server
import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nsface.embeddings import Embeddings, save
from nsface.synthetic import LfwSet, write_lfw_set

Run = Callable[..., Any]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
RECIPE = "head: {{name: {head}}}\nnetwork: {{name: light-resnet}}\nexclude: []\nseed: 0\n"


@pytest.fixture(scope="module")
def lfw(tmp_path_factory: pytest.TempPathFactory) -> LfwSet:
    return write_lfw_set(tmp_path_factory.mktemp("lfw"), folds=3, pairs=8)


@pytest.fixture
def runs(tmp_path: Path, lfw: LfwSet, nsface: Run) -> list[Path]:
    """Two run folders as `train`, `extract`, the `eval-*` and `compare` would leave them."""
    names = sorted(path.relative_to(lfw.images).as_posix() for path in lfw.images.rglob("*.jpg"))
    people = {name: number for number, name in enumerate({name.split("/")[0]: 0 for name in names})}
    folders = [tmp_path / "softmax", tmp_path / "<noisy> & co"]
    for number, folder in enumerate(folders):
        folder.mkdir()
        random = np.random.default_rng(number)
        faces = np.random.default_rng(9).normal(size=(len(people), 8))
        vectors = faces[[people[name.split("/")[0]] for name in names]] + random.normal(size=(len(names), 8))
        save(folder / "lfw.npz", Embeddings(names, vectors.astype(np.float32), {"flip": "sum"}))
        (folder / "recipe.yaml").write_text(RECIPE.format(head=("softmax", "noisy-softmax")[number]))
        (folder / "environment.json").write_text(
            json.dumps({"torch": "2.6", "images": 1234, "identities": 56})
        )
        (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log(number)))
        (folder / "model.safetensors").touch()
        embeddings, lists = folder / "lfw.npz", ("--people", lfw.people, "--subjects", lfw.subjects)
        nsface("eval-lfw", embeddings, "--pairs", lfw.pairs, "--json", folder / "lfw.json")
        nsface("eval-ident", embeddings, *lists, "--json", folder / "ident.json")
    both = [folder / "lfw.npz" for folder in folders]
    nsface("compare", *both, "--pairs", lfw.pairs, "--json", folders[1] / "compare.json")
    return folders


def log(number: int) -> list[dict[str, float]]:
    fields = (
        "loss",
        "accuracy",
        "probability",
        "saturated",
        "gradient",
        "learning_rate",
        "images_per_second",
    )
    return [{"step": step, **dict.fromkeys(fields, (number + 1) / step)} for step in (10, 20, 30)]


class Page(html.parser.HTMLParser):
    """What a test asks of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.cells[-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_page_says_what_the_results_say(runs: list[Path], nsface: Run, tmp_path: Path) -> None:
    outcome = nsface("report", *runs, "-o", tmp_path / "page.html")
    assert (outcome.status, outcome.out) == (0, f"{tmp_path / 'page.html'}\n")
    page = Page((tmp_path / "page.html").read_text())
    for run in runs:
        lfw, ident = (json.loads((run / f"{name}.json").read_text()) for name in ("lfw", "ident"))
        low, high = lfw["identity_interval"]
        wanted = f"± {100 * lfw['standard_error']:.2f} {100 * low:.2f} – {100 * high:.2f}"
        marked = f"{100 * lfw['accuracy']:.2f}\u00a0† {wanted}"
        assert marked in page.cells, "these pairs are not LFW's"
        assert f"{100 * lfw['accuracy']:.2f} {wanted}" in page.cells
        assert f"{100 * lfw['auc']:.3f}" in page.cells
        rank_5, (low, high) = (ident["closed_set"][key]["5"] for key in ("rank", "rank_interval"))
        assert f"{100 * rank_5:.2f} {100 * low:.2f} – {100 * high:.2f}" in page.cells
        assert run.name in page.cells, "a name with < and & is text"
    difference = json.loads((runs[1] / "compare.json").read_text())["difference"]
    assert f"{round(100 * difference, 2) + 0.0:.2f}".replace("-", "−") in page.cells
    assert "99.18" not in page.cells, "published figures are of another list"
    assert page.text.index('<h2 id="answer">') < page.text.index("<table>")
    assert "56" in page.cells
    # loss, accuracy, rate; three of saturation; ROC, DET and two histograms; CMC, DIR–FAR and DET
    assert len([svg for svg in page.all("svg") if svg.get("role") == "img"]) == 13


def test_the_page_is_accessible_and_needs_nothing_else(
    runs: list[Path], lfw: LfwSet, nsface: Run, tmp_path: Path
) -> None:
    nsface("report", *runs, "-o", tmp_path / "page.html", "--images", lfw.images)
    text = (tmp_path / "page.html").read_text()
    page = Page(text)
    assert page.tags[0] == ("html", {"lang": "en"})
    assert all(header.get("scope") for header in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert page.all("img")
    assert all(image["alt"] and str(image["src"]).startswith("data:image/jpeg;") for image in page.all("img"))
    identifiers = [a["id"] for _, a in page.tags if a.get("id")]
    assert len(identifiers) == len(set(identifiers))
    assert {str(a["href"])[1:] for a in page.all("a")} <= set(identifiers)
    assert not page.all("script")
    assert not re.search(r"(?:src|href)=\"(?!data:|#)|url\(|@import|https?://", text)


def unbroken(page: str) -> str:
    """`page` with plain spaces and hyphens."""
    return page.replace("\u00a0", " ").replace("\u2011", "-")


def test_faces_are_shown_only_when_asked_for(runs: list[Path], nsface: Run) -> None:
    outcome = nsface("report", runs[0])
    assert outcome.out == f"{runs[0] / 'report.html'}\n"
    page = (runs[0] / "report.html").read_text()
    assert "<img" not in page
    assert "_0001" not in page, "nor are people named"


def test_checks_of_the_data(runs: list[Path], nsface: Run) -> None:
    record = {"digest": {"images": 13233, "found": ["n000001", "<n2>"], "by": "name"}}
    (runs[0] / "overlap.json").write_text(json.dumps(record))
    for run in runs:
        assert nsface("report", run).status == 0
    checked, unchecked = (unbroken((run / "report.html").read_text()) for run in runs)
    assert "in a test set of 13,233 images: n000001, &lt;n2&gt;" in checked
    assert "never checked for people" in unchecked
    assert "never checked for people" not in checked
    assert "trained on 1,234 images of 56 identities, 0 excluded" in unchecked
    unofficial = "not on the official lists: Rank-1, DIR at FAR 1 % (ident.json); LFW (lfw.json)"
    assert unofficial in unchecked


def test_a_running_training_and_other_json_are_read(runs: list[Path], nsface: Run) -> None:
    folder = runs[0]
    (folder / "model.safetensors").unlink()
    with (folder / "log.jsonl").open("a") as file:
        file.write('{"step": 4')
    (folder / "notes.json").write_text('["mine"]')
    (folder / "own.json").write_text('{"protocol": "own <test>", "score": 0.123456, "list": [1]}')
    assert nsface("report", folder).status == 0
    page = (folder / "report.html").read_text()
    assert "not finished" in page
    assert "own &lt;test&gt;" in page
    assert "0.123456" in page


def test_protocols_without_folds_and_comparisons_of_all_kinds(runs: list[Path], nsface: Run) -> None:
    mcnemar = {"mid_p": 0.0321, "exact": 0.04, "only_first": 3, "only_second": 9}
    tar = {"far": 1e-4, "tar": 0.8765, "achieved_far": 1e-4, "threshold": 0.5, "impostors": 9}
    ijb = {"protocol": "ijb", "tar_at_far": [tar], "auc": 0.99, "images": 10}
    blufr = {
        "protocol": "blufr",
        "tar_at_far": [{"far": 0.001, "tar": 0.6543, "std": 0.0123, "mean_minus_std": 0.642}],
        "open_set": {"dir": [{"far": 0.01, "rank": 1, "dir": 0.4321, "std": 0.01, "mean_minus_std": 0.4221}]},
    }
    measured = json.loads((runs[0] / "lfw.json").read_text())
    sets = [measured | {"protocol": "cfp_fp", "accuracy": 0.9123, "standard_error": 0.004}]
    pair = {"far": 1e-4, "difference": 0.0777, "identity_interval": [0.01, 0.1], "identity_p_value": 0.0123}
    older = {"far": 1e-3, "difference": 0.0666, "identity_bootstrap_interval": [0.01, 0.1]}  # of 0.3
    pairs = [point | {"mcnemar": mcnemar} for point in (pair, older)]
    systems = {"systems": ["a", "b"]}
    dirs = [
        {"far": 0.01, "difference": 0.0555, "confidence_interval": [0.0, 0.1], "p_value": 0.0411, "test": "t"}
    ]
    found = {
        "ijb": ijb,
        "blufr": blufr,
        "bin": {"protocol": "bin", "sets": sets},
        "compare-ijb": {"protocol": "ijb", "tar_at_far": pairs} | systems,
        "compare-ident": {"protocol": "identification", "dir": dirs} | systems,
    }
    for name, result in found.items():
        (runs[0] / f"{name}.json").write_text(json.dumps(result))
    assert nsface("report", runs[0]).status == 0
    page = Page((runs[0] / "report.html").read_text())
    wanted = [
        "87.65",
        "65.43 ± 1.23",
        "43.21 ± 1.00",
        "91.23 ± 0.40",
        "7.77",
        "0.032",
        "0.012",
        "6.66",
        "5.55",
        "0.041",
    ]
    cells = "|".join(["", *page.cells])
    assert [figure for figure in wanted if f"|{figure}" not in cells] == []


def test_what_cannot_be_reported(runs: list[Path], nsface: Run, tmp_path: Path) -> None:
    def refused(*arguments: object) -> str:
        outcome = nsface("report", *arguments)
        assert (outcome.status, outcome.out, outcome.err.count("\n")) == (2, "", 1)
        return str(outcome.err)

    assert "several runs need -o" in refused(*runs)
    (tmp_path / "empty").mkdir()
    assert "no recipe.yaml in it" in refused(tmp_path / "empty")
    names = ", ".join(sorted(run.name for run in runs)[:1])
    assert f"there are run folders below it: {names}" in refused(runs[0].parent)
    assert "given twice" in refused(runs[0], runs[0], "-o", tmp_path / "page.html")
    (runs[0] / "log.jsonl").write_text('{"step": 1}\nnonsense\n')
    assert "log.jsonl:2: not the JSON" in refused(runs[0])
    assert "not a result of nsface inspect" in refused(runs[1], "--inspect", runs[1] / "lfw.json")
    assert "no.json: cannot be read" in refused(runs[1], "--inspect", tmp_path / "no.json")
    (runs[1] / "lfw.json").write_text("{")
    assert "lfw.json: not the JSON" in refused(runs[1])
    assert not list(tmp_path.rglob("*.html"))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_in_a_browser(runs: list[Path], lfw: LfwSet, nsface: Run, tmp_path: Path) -> None:
    """No message on the console, no request besides the page, nothing wider than a phone, all is drawn."""
    nsface("report", *runs, "-o", tmp_path / "page.html", "--images", lfw.images)
    (tmp_path / "phone.html").write_text(PHONE)
    with serving(tmp_path) as (port, requests):
        done = subprocess.run(
            [
                str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
                f"--user-data-dir={tmp_path / 'profile'}", f"--host-resolver-rules=MAP * 127.0.0.1:{port}",
                "--disable-background-networking", "--disable-component-update", "--no-first-run",
                "--virtual-time-budget=5000", "--dump-dom", f"http://127.0.0.1:{port}/phone.html",
            ],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    found = re.search(r"<title>(\{.*?\})</title>", done.stdout)
    assert found, done.stderr
    seen = json.loads(found[1])
    assert seen["overflow"] <= 0, "the page itself never scrolls sideways"
    assert seen["smallest"] > 100, "every chart has a size"
    assert seen["images"] == 0, "every image is decoded"
    assert seen["resources"] == []
    assert "CONSOLE" not in done.stderr
    assert sorted(requests) == ["/page.html", "/phone.html"]


PHONE = """<!doctype html><link rel="icon" href="data:,"><title>waiting</title>
<iframe src="page.html" style="width:390px;height:844px;border:0"></iframe>
<script>
document.querySelector("iframe").onload = event => {
  const page = event.target.contentDocument, root = page.documentElement;
  const widths = [...page.querySelectorAll("svg[role=img]")].map(svg => svg.getBoundingClientRect().height);
  document.title = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth, smallest: Math.min(...widths),
    images: [...page.images].filter(image => !image.naturalWidth).length,
    resources: event.target.contentWindow.performance.getEntriesByType("resource").map(entry => entry.name)
      .filter(name => !name.startsWith("data:")),
  });
};
</script>"""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, list[str]]]:
    """Serve `folder`; yields the port and the paths asked for so far."""
    requests: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if "Referer" in self.headers or self.path == "/phone.html":
                requests.append(self.path)  # others are the browser's own, whose names lead here too
            super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port, requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
