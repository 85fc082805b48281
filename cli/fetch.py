"""`nsface fetch`."""

from __future__ import annotations

from pathlib import Path

import click

from nsface.cli.output import say
from nsface.errors import DataError, NsfaceError
from nsface.files import reason

_LISTS = ("pairs.txt", "pairsDevTrain.txt", "pairsDevTest.txt")
_HOME, _IMAGES = "lfw_home", "lfw_funneled"  # scikit-learn's own names


@click.command(name="fetch")
@click.argument("what", metavar="lfw", type=click.Choice(["lfw"]))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def command(what: str, folder: Path) -> None:
    """Download LFW into DIR: DIR/lfw/Name_Surname/*.jpg (funneled, 250×250) and DIR/pairs*.txt.

    scikit-learn downloads about 250 MB and compares them with checksums. Without a network, place
    lfw-funneled.tgz and the three lists in DIR/lfw_home by hand: they are unpacked, but not compared with a
    checksum. The images must be aligned before they are embedded.

    \b
    Examples:
      nsface fetch lfw data
      nsface align data/lfw data/lfw-112x96 --detector yunet --model yunet.onnx
    """
    from sklearn.datasets import fetch_lfw_people

    if not (folder / "lfw").exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # small images: only the files matter here, though each is decoded once
            fetch_lfw_people(data_home=folder, resize=0.1)
        except (OSError, EOFError) as error:
            why = reason(error) if isinstance(error, OSError) else "truncated archive"
            raise NsfaceError(
                f"LFW could not be fetched ({why}); without a network, place lfw-funneled.tgz, "
                f"{', '.join(_LISTS)} in {folder / _HOME} and give the same command again"
            ) from error
        _lay_out(folder)
    missing = [name for name in _LISTS if not (folder / name).is_file()]
    if missing:
        raise DataError(
            f"{folder} has lfw/ but not {', '.join(missing)}; remove {folder / 'lfw'}, or add them"
        )
    say(f"{folder / 'lfw'} and {folder / _LISTS[0]} are there; align the images next")


def _lay_out(folder: Path) -> None:
    """Move the files out of scikit-learn's folder to where nsface's documentation has them; images last."""
    import shutil

    home = folder / _HOME
    try:
        for name in _LISTS:
            (home / name).replace(folder / name)
        (home / _IMAGES).replace(folder / "lfw")
        shutil.rmtree(home)
    except OSError as error:
        raise NsfaceError(f"cannot write {folder}: {reason(error)}") from error
