"""Training steps of nsface beside those of public training code, on the same device, by turns.

    python benchmarks/arcface_step.py [RECIPE...] [--head cosface] [--batch-size 32] [--json FILE]

The peer is `nsface.benchmark.arcface_style`: the same network, loss, identities and batch, trained as
arcface_torch does with synthetic images. By default the networks are iResNet-50 at 112×112 and SphereFace-20
at 112×96, with ArcFace over CASIA-WebFace's 10,572 identities. Before anything is timed, the loss and the
gradient of one batch are compared in float32 (with all identities, since samples differ). Each way then takes
blocks of steps by turns; the table has the median, lowest and highest images a second of the blocks.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import click
import torch

from nsface.benchmark.generated import CASIA_IDENTITIES
from nsface.benchmark.grid import hardware
from nsface.benchmark.side_by_side import PEER_TYPES, Comparison, compare
from nsface.benchmark.speed import Setting
from nsface.device import pick_device
from nsface.files import write_text
from nsface.recipe.schema import load_recipe

RECIPES = ("casia-iresnet50", "casia-softmax")


@click.command()
@click.argument("recipes", nargs=-1)
@click.option("--head", type=click.Choice(["arcface", "cosface"]), default="arcface", show_default=True)
@click.option("--batch-size", type=click.IntRange(2), help="In place of the recipe's.")
@click.option("--identities", type=click.IntRange(2), default=CASIA_IDENTITIES, show_default=True)
@click.option("--sample-rate", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True)
@click.option("--images", type=click.IntRange(1), help="Of the generated set.")
@click.option(
    "--own", multiple=True, default=("fp32", "bf16"), show_default=True, help="Precisions of nsface."
)
@click.option("--peer", multiple=True, type=click.Choice(list(PEER_TYPES)), help="Precisions of the peer.")
@click.option("--seconds", type=float, default=60.0, show_default=True, help="For all blocks of a recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@click.option(
    "--json", "json_to", type=click.Path(path_type=Path), help="File for everything that was found."
)
def main(
    recipes: tuple[str, ...],
    head: str,
    identities: int,
    sample_rate: float,
    own: tuple[str, ...],
    peer: tuple[str, ...],
    json_to: Path | None,
    **options: Any,
) -> None:
    """Print a table for each recipe. The exit status is 1 if the peer computes something else."""
    device = pick_device(options["device"])
    peers = peer or (("fp32", "fp16") if device.type == "cuda" else ("fp32", "bf16"))
    result = hardware(options["device"]) | {"command": " ".join(sys.argv), "comparisons": []}
    agreed = True
    for name in recipes or RECIPES:
        changes = {"head.name": head, "head.sample_rate": sample_rate, "device": options["device"]}
        if options["batch_size"] is not None:
            changes["batch_size"] = options["batch_size"]
        each = [load_recipe(name, changes | {"precision": precision}) for precision in own]
        setting = Setting(each[0], identities, options["images"], options["seconds"])
        found = compare(setting, each, peers)
        result["comparisons"].append(setting.describe() | {"sample_rate": sample_rate} | found.to_json())
        click.echo(table(setting, found))
        agreed &= found.agreement.close
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    if json_to is not None:
        write_text(json_to, json.dumps(result, indent=1) + "\n")
    sys.exit(0 if agreed else 1)


def table(setting: Setting, found: Comparison) -> str:
    """What was found, as Markdown."""
    recipe = setting.recipe
    peers = [way for way in found.rates if not way.startswith("nsface")]
    lines = [
        f"\n{recipe.network.name}, {recipe.input.size}, {recipe.head.name}, {setting.identities:,} "
        f"identities, batch {recipe.batch_size}: the peer's loss and gradient are within "
        f"{found.agreement.loss:.0e} and {found.agreement.gradient:.0e} of nsface's in float32\n",
        "| way | images/s | range |" + "".join(f" × {peer} |" for peer in peers),
        "|---|--:|---|" + "--:|" * len(peers),
    ]
    for way, rate in found.rates.items():
        cells = [way, f"{rate.median:,.1f}", f"{rate.lowest:,.1f} to {rate.highest:,.1f}"]
        cells += [f"{found.ratio(way, peer):.2f}" for peer in peers]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, *(f"\n{way}: {error}" for way, error in found.errors.items())])


if __name__ == "__main__":
    main()
