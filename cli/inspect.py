"""`nsface inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from nsface.cli.numbers import WORKERS
from nsface.cli.results import emit, json_option, plots_option
from nsface.errors import DataError, listing, shown

FAULTS = {
    "unreadable": "unreadable",
    "other_sizes": "of another size",
    "blank": "nearly of one colour",
    "swapped_colour": "bluer than red",
    "odd_names": "odd names",
    "passed_over": "passed over",
}


@click.command(name="inspect")
@click.argument("data", metavar="DATA")
@click.option("--deep", is_flag=True, help="Also compare all bytes of a packed store with their checksums.")
@plots_option
@click.option("--workers", metavar="N", type=WORKERS, help="Threads.  [default: one per core]")
@json_option
def command(data: str, deep: bool, plots: Path | None, workers: int | None, json_to: str | None) -> None:
    """Say what is in DATA, and what is wrong with it. Every image is decoded.

    DATA is anything that `nsface pack` takes, or a store. The table names the first ten images with each
    fault; the JSON object names all of them. --plots draws the mean face with the template's five points, a
    contact sheet, equal and similar images, and a histogram of the number of images per identity.

    \b
    Examples:
      nsface inspect casia/ --plots casia-looks/
      nsface inspect webface.store --deep
      nsface inspect faces.tar --json - | jq -r '.unreadable[].name'
    """
    from tqdm import tqdm

    from nsface.images.inspection.result import describe
    from nsface.images.inspection.scan import look
    from nsface.images.sources import StoreSource, open_source

    source = open_source(data)
    damaged: list[tuple[str, str]] = []
    if deep:
        if not isinstance(source, StoreSource):
            raise DataError(f"{data} is a {source.kind}, without checksums; --deep is for packed stores")
        with tqdm(total=len(source), desc="checking", unit=" images", disable=None) as bar:
            damaged = source.verify(bar.update)
    with tqdm(total=len(source), desc="decoding", unit=" images", disable=None) as bar:
        looks = look(source, workers, bar.update)
    result = describe(source, looks)
    if deep:
        result["damaged"] = [{"name": name, "reason": why} for name, why in damaged]
    if plots:
        from nsface.report.data_figures import draw_inspection

        draw_inspection(plots, source, result, looks.mean_face)
    emit(result, _table(result), json_to)


def _table(result: dict[str, Any]) -> str:
    """The result for people: a line a fact, a line a fault that there is."""
    per = result["images_per_identity"]
    many = f"min {per['min']}, median {per['median']:g}, max {per['max']}" if per else "no identities"
    single = result["single_image_identities"]
    sizes = [f"{size['height']}×{size['width']} ({size['images']:,})" for size in result["sizes"]]
    rows = [
        ("images", f"{result['images']:,} ({result['kind']})"),
        ("identities", f"{result['identities']:,}" + (f", {single:,} with one image" if single else "")),
        ("images per identity", many),
        ("sizes (height × width)", listing(sizes)),
        ("alignment", f"{result['alignment']:.2f} (aligned by five points: above 0.4)"),
    ]
    if result["without_identity"]:
        rows.append(("without identity", f"{result['without_identity']:,}"))
    if (gaps := result["label_gaps"]) and gaps["missing"]:
        ranges = listing([f"{a}–{b}" if b > a else f"{a}" for a, b in gaps["ranges"]])
        rows.append(
            ("labels", f"{gaps['first']} to {gaps['last']} without {gaps['missing']:,} numbers: {ranges}")
        )
    if result["grey"]:
        rows.append(("grey", f"{len(result['grey']):,}"))
    if result["looks_swapped"]:
        rows.append(("colour", "most images are bluer than red: are the channels swapped?"))
    for key in ("damaged", *FAULTS):
        if found := result.get(key):
            rows.append(
                (FAULTS.get(key, key), f"{len(found):,}: {listing([_named(item) for item in found])}")
            )
    for key, title in (("duplicates", "equal images"), ("near_duplicates", "similar images")):
        if found := result[key]:
            groups = listing([" = ".join(group) for group in found], 5)
            rows.append((title, f"{len(found):,} groups: {groups}"))
    if across := result["duplicates_across_identities"]:
        rows.append(("", f"{across:,} of these groups have images of several identities"))
    rows += [("note", remark) for remark in result["remarks"]]
    width = max(len(title) for title, _ in rows)
    facts = [f"  {title:{width}}  {shown(text)}" for title, text in rows]
    return "\n".join([shown(result["location"]), *facts])


def _named(item: Any) -> str:
    return item if isinstance(item, str) else f"{item['name']} ({item['reason']})"
