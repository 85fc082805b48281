"""`nsface train`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nsface.cli.completion import complete_head, complete_key, complete_network, complete_recipe
from nsface.cli.output import command_line, say
from nsface.cli.seeds import check_alone, parsed_seeds, train_all

if TYPE_CHECKING:
    from nsface.recipe.schema import Recipe

# options that stand for a key of the recipe
OPTIONS = {
    "data": "data",
    "init": "init",
    "head": "head.name",
    "alpha2": "head.alpha2",
    "network": "network.name",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "seed": "seed",
    "device": "device",
    "precision": "precision",
}


@click.command(name="train")
@click.argument("recipe", metavar="RECIPE", type=click.Path(), shell_complete=complete_recipe)
@click.option(
    "--data",
    metavar="PATH",
    help="Training faces: a folder or tar with one folder per identity, a packed store, .rec, …",
)
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Run folder, or with --seeds the folder of seed0, seed1, …  [default: runs/RECIPE-HEAD-seedN]",
)
@click.option(
    "--head",
    metavar="NAME",
    shell_complete=complete_head,
    help="Training objective. If the recipe has another one, this one gets its default arguments.",
)
@click.option("--alpha2", metavar="X", type=float, help="α², the variance of Noisy Softmax's noise.")
@click.option(
    "--network",
    metavar="NAME",
    shell_complete=complete_network,
    help="Network. If the recipe has another one, this one gets its default arguments.",
)
@click.option("--init", metavar="FILE", help="Model file of nsface whose weights the network begins with.")
@click.option("--epochs", metavar="N", type=int, help="Length of the run.")
@click.option("--batch-size", metavar="N", type=int, help="Images per step.")
@click.option("--seed", metavar="N", type=int, help="Seed of everything that is drawn.")
@click.option(
    "--seeds",
    metavar="LIST",
    callback=parsed_seeds,
    help="Train with each of these seeds in turn: 0-4, or 0,3,7.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Where to train.")
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "tf32", "bf16"]), help="Arithmetic of the network."
)
@click.option("--resume", is_flag=True, help="Continue the run in the folder; the result has the same bits.")
@click.option(
    "--changed", is_flag=True, help="With --resume: continue although rate, schedule or length differ."
)
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    shell_complete=complete_key,
    help="Change any key of the recipe.",
)
def command(
    recipe: str,
    out: Path | None,
    seeds: tuple[int, ...] | None,
    resume: bool,
    changed: bool,
    settings: tuple[str, ...],
    **options: Any,
) -> int | None:
    """Train a network as RECIPE describes: the name of one that comes with nsface, or a YAML file.

    Options replace the values of the recipe. The path of the finished model goes to standard output.
    `nsface recipes` lists the recipes that come with nsface. Ctrl-C or SIGTERM finishes the step, saves and
    exits; the same command with --resume continues the run. With --seeds the recipe is trained with one seed
    after another, and the table of `nsface runs` goes to standard error. If torchrun starts several
    processes, they train one model together (docs/scaling.md).

    \b
    Examples:
      nsface train casia-noisy --data casia/ --out runs/noisy
      nsface train casia-noisy --head softmax --seed 1
      nsface train lfw-small --data faces.tar --seeds 0-4 --out runs/softmax
      nsface train lfw-small --set schedule.warmup=2 --set optimizer.clip_norm=5
      torchrun --standalone --nproc-per-node 4 -m nsface train casia-noisy --data casia.store
    """
    from nsface.processes import restarted_by_torchrun
    from nsface.ranks import joined
    from nsface.training.loop import Interrupted
    from nsface.training.run import train

    if changed and not resume:
        raise click.UsageError("--changed goes with --resume")
    resume = resume or restarted_by_torchrun()
    overrides = overridden(settings, options)
    if seeds is not None:
        check_alone(options["seed"], overrides)
    with joined("go on with the same command and --resume") as ranks:
        note = say if ranks.first else None
        stopped = ""
        try:
            if seeds is not None:
                runs = []
                for seed in seeds:
                    folder = out / f"seed{seed}" if out else None
                    runs.append(loaded(recipe, overrides | {"seed": seed}, folder, resume, note))
                    note = None  # what was scaled is said once
                train_all(runs, out, ranks, resume, changed)
            else:
                only, folder = loaded(recipe, overrides, out, resume, note)
                line = command_line()
                model = train(
                    only, folder, resume=resume, changed=changed, ranks=ranks, note=say, command=line
                )
                if ranks.first:
                    click.echo(model)
        except Interrupted as interruption:
            if not ranks.first:
                return 130
            stopped = str(interruption)
    if stopped:  # said even with --quiet
        raise click.Abort(stopped)
    return None


def loaded(
    recipe: str,
    overrides: dict[str, Any],
    out: Path | None,
    resume: bool,
    note: Callable[[str], object] | None,
) -> tuple[Recipe, Path]:
    """The recipe with the values `overrides`, and the folder of its run: `out`, or one named by them."""
    from nsface.recipe.schema import load_recipe
    from nsface.run_folder import RunFolder

    former = RunFolder(out).recipe_file if out and resume else None
    found = load_recipe(recipe, overrides, note, former)
    return found, out or Path("runs") / f"{Path(recipe).stem}-{found.head.name}-seed{found.seed}"


def overridden(settings: tuple[str, ...], options: dict[str, Any]) -> dict[str, Any]:
    """What the command line gives in place of the recipe's values, by dotted key."""
    from nsface.recipe.text import parse_setting

    overrides = {key: options[name] for name, key in OPTIONS.items() if options[name] is not None}
    return overrides | dict(map(parse_setting, settings))
