"""The report: one HTML file about one run or several, that needs nothing else."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from nsface import __version__
from nsface.errors import listing, shown
from nsface.recipe.text import dotted
from nsface.report.charts import LOSS, SATURATION, result_charts, training_charts
from nsface.report.differences import differences
from nsface.report.inspections import facts
from nsface.report.published import COLUMNS, PUBLISHED, figures
from nsface.report.runs import Run
from nsface.run_folder import RunFolder

TITLES = {
    "lfw": "LFW verification",
    "fglfw": "FGLFW: look-alikes",
    "fglfw-like": "Look-alikes, in the form of FGLFW",
    "ytf": "YouTube Faces",
    "lfw-identification": "LFW identification",
    "identification": "Identification",
    "blufr": "BLUFR",
    "ijb": "IJB, template 1:1",
    "bin": "InsightFace sets",
}
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
Thumbnail = Callable[[str], bytes | None]  # JPEG of an image by its name; None where there is no such image


def render(
    runs: Sequence[Run], thumbnail: Thumbnail | None = None, inspected: Sequence[dict[str, Any]] = ()
) -> str:
    """The page about `runs`, whose order is that of the tables and charts.

    Args:
        inspected: what `nsface inspect` found in sets of images.
        thumbnail: where the faces of the worst errors come from; None: no faces in the page.
    """
    environment = Environment(
        loader=PackageLoader("nsface", "report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["percent"] = percent
    measured = summary(runs)
    page = environment.get_template("page.html").render(
        version=__version__,
        title=", ".join(run.name for run in runs),
        runs=runs,
        names=[run.name for run in runs],
        heads=[head_of(run) for run in runs],
        columns=COLUMNS,
        summary=measured,
        unofficial=any(not official for row in measured for _, _, official in row.values()),
        published=PUBLISHED,
        training=[training_row(run) for run in runs],
        loss=training_charts(runs, LOSS),
        saturation=training_charts(runs, SATURATION),
        protocols=protocols(runs, thumbnail),
        comparisons=comparisons(runs),
        recipes=rows_of([dotted(run.recipe) for run in runs], differing=True),
        environments=rows_of([dotted(run.environment) for run in runs], differing=False),
        checks=checks(runs),
        inspected=rows_of([facts(result) for result in inspected], differing=False),
        places=[result["location"] for result in inspected],
    )
    readable = _CONTROL.sub(lambda found: shown(found.group()), page)  # names hold whatever files are called
    return readable.encode("utf-8", "backslashreplace").decode()


def percent(share: float | None, digits: int = 2) -> str:
    """A fraction in per cent, without the sign."""
    return "–" if share is None else f"{round(100 * share, digits) + 0.0:.{digits}f}"  # never -0.00


def head_of(run: Run) -> str:
    """Head and network in a few words."""
    head, network = dict(run.recipe["head"]), run.recipe["network"]
    name = head.pop("name")
    arguments = ", ".join(f"{key} {value}" for key, value in head.items())
    return f"{name}{f' ({arguments})' if arguments else ''}, {network['name']}"


def summary(runs: Sequence[Run]) -> list[dict[str, tuple[float, float | None, bool]]]:
    """For each run its figures under the columns of the published table."""
    found = []
    for run in runs:
        row: dict[str, tuple[float, float | None, bool]] = {}
        for result in run.results.values():
            if "systems" not in result:
                row |= figures(result)
        found.append(row)
    return found


def training_row(run: Run) -> dict[str, Any]:
    """Length, speed and last line of a training."""
    last = run.log[-1] if run.log else {}
    speed = [line["images_per_second"] for line in run.log if "images_per_second" in line]
    return {
        "images": run.environment.get("images"),
        "identities": run.environment.get("identities"),
        "steps": last.get("step"),
        "loss": last.get("loss"),
        "accuracy": last.get("accuracy"),
        "probability": last.get("probability"),
        "saturated": last.get("saturated"),
        "speed": float(np.median(speed)) if speed else None,
        "finished": RunFolder(run.folder).has_model(),
    }


def protocols(runs: Sequence[Run], thumbnail: Thumbnail | None) -> list[dict[str, Any]]:
    """A section for each result file: the runs' results, charts, and the worst errors."""
    keys = dict.fromkeys(key for run in runs for key, r in run.results.items() if "systems" not in r)
    sections: list[dict[str, Any]] = []
    for key in keys:
        results = {n: (run.name, run.results[key]) for n, run in enumerate(runs) if key in run.results}
        first = next(iter(results.values()))[1]
        title = TITLES.get(first["protocol"], first["protocol"])
        titles = [section["title"] for section in sections]
        plain = {run: scalars(result) for run, result in results.values()}
        worst = {run: _faces(result, thumbnail) for run, result in results.values()} if thumbnail else {}
        sections.append(
            {
                "key": key,
                "title": f"{title} ({key})" if title in titles else title,
                "kind": kind_of(first),
                "results": results,
                "names": list(plain),
                "rates": {run: rates(r) for run, r in results.values() if kind_of(r) == "rates"},
                "plain": rows_of(list(plain.values()), differing=False),
                "charts": result_charts(key, results),
                "worst": {run: pairs for run, pairs in worst.items() if pairs},
            }
        )
    return sorted(sections, key=lambda section: _order(section["title"]))


def _order(title: str) -> int:
    known = list(TITLES.values())
    return known.index(title) if title in known else len(known)


def kind_of(result: dict[str, Any]) -> str:
    """Which table shows it: verification, identification, sets, rates at FAR, or just its plain values."""
    if result.get("closed_set") or "gallery" in (result.get("open_set") or {}):
        return "identification"
    if "sets" in result:
        return "sets"
    if "folds" in result:
        return "verification"
    return "rates" if "tar_at_far" in result else "plain"


def rates(result: dict[str, Any]) -> dict[str, tuple[float, float | None]]:
    """TAR and DIR at each FAR with the deviation over trials, as of IJB and BLUFR."""
    found = {}
    for name, points in (
        ("tar", result["tar_at_far"]),
        ("dir", (result.get("open_set") or {}).get("dir", [])),
    ):
        for point in points:
            title = f"{name.upper()} at FAR {100 * point['far']:g} %"
            found[title] = (point[name], point.get("std"))
    return found


def scalars(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if isinstance(value, str | int | float)}


def comparisons(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """Rows for the results of `compare` in the folders, with the runs' names for the files compared."""
    places = {run.folder.resolve(): run.name for run in runs}
    rows = []
    for run in runs:
        for result in run.results.values():
            if "systems" in result:
                files = [Path(system) for system in result["systems"]]
                named = [places.get(file.parent.resolve(), str(file)) for file in files]
                title = TITLES.get(result["protocol"], result["protocol"])
                rows += [{"title": title, "names": named, **row} for row in differences(result)]
    return sorted(rows, key=lambda row: _order(row["title"]))


def rows_of(columns: Sequence[dict[str, Any]], differing: bool) -> list[tuple[str, list[Any]]]:
    """Rows (key, value in each column); with `differing` those alone whose values are not all equal."""
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = [(key, [column.get(key, "–") for column in columns]) for key in keys]
    return [row for row in rows if not differing or any(value != row[1][0] for value in row[1])]


def checks(runs: Sequence[Run]) -> list[str]:
    """What a reader must know before believing a figure."""
    found = []
    for run in runs:
        images, identities = (run.environment.get(key) for key in ("images", "identities"))
        excluded = len(run.recipe.get("exclude") or [])
        if images and identities:
            size = f"{images:,} images of {identities:,} identities"
            found.append(f"{run.name}: trained on {size}, {excluded} excluded")
        found += [f"{run.name}: {line}" for line in _overlap(run)]
        if columns := _unofficial(run):
            found.append(f"{run.name}: not on the official lists: {', '.join(columns)}")
    return list(dict.fromkeys(found))


def _unofficial(run: Run) -> list[str]:
    """Figures that must not be compared with published ones, with the result files that they come from."""
    return [
        f"{', '.join(columns)} ({key}.json)"
        for key, result in run.results.items()
        if "systems" not in result
        and (columns := [column for column, (_, _, official) in figures(result).items() if not official])
    ]


def _overlap(run: Run) -> list[str]:
    """Whether people of the training set were looked for in the test sets, and found."""
    lines = []
    for entry in run.overlap:
        where = f"a test set of {entry.images:,} images"
        if entry.found:
            seem = f"people of the training set who seem to be in {where}: {listing(entry.found, 5)}"
            lines.append(f"{seem} (compared {entry.compared()})")
        elif "embeddings" in entry.ways:
            none = f"people of the training set who seem to be in {where}: none"
            lines.append(f"{none} (compared {entry.compared()})")
        else:
            found = ", and nobody was found that way" if entry.ways else ""
            lines.append(
                f"the training set and {where} were compared {entry.compared()}{found}; by their embeddings "
                "they were never compared"
            )
    return lines or ["never checked for people who are in the training set and in a test set"]


def _faces(result: dict[str, Any], thumbnail: Thumbnail) -> list[dict[str, Any]]:
    """The worst errors of a result as pairs of data URIs; those without images are left out."""
    found = []
    for pair in result.get("curves", {}).get("worst_errors", []):
        images = [thumbnail(pair[side]) for side in ("left", "right")]
        if all(images):
            found.append(pair | {"images": [_uri(image) for image in images if image]})
    return found


@cache
def _uri(image: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(image).decode("ascii")
