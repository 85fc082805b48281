"""Where the five points of faces come from: the options of `align`, and of commands that align on the fly."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from nsface.images.alignment.aligner import PointSource

_PATH = click.Path(path_type=Path)
_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (
        ("--detector",),
        {"type": click.Choice(["yunet", "mtcnn"]), "help": "Detector that finds the five points."},
    ),
    (("--detector-model",), {"metavar": "FILE", "type": _PATH, "help": "YuNet's .onnx file."}),
    (
        ("--landmarks",),
        {"metavar": "FILE", "type": _PATH, "help": "Points from a file: a name and ten numbers per line."},
    ),
    (
        ("--order",),
        {
            "type": click.Choice(["auto", "xyxy", "xxyy"]),
            "default": "auto",
            "show_default": True,
            "help": "Order of the numbers in --landmarks: x1 y1 … x5 y5, or x1 … x5 y1 … y5.",
        },
    ),
    (
        ("--face",),
        {
            "type": click.Choice(["largest", "central"]),
            "default": "largest",
            "show_default": True,
            "help": "Which face to take if an image has several.",
        },
    ),
)
_NAMES = ("detector", "detector_model", "landmarks", "order", "face")


def point_options(*, model_too: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command --detector, --landmarks and what belongs to them, as one argument `points`.

    Its value is what `point_source` takes.

    Args:
        model_too: the model of the detector may be given as --model too.
    """

    def give(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def command(*args: Any, **kwargs: Any) -> Any:
            return function(*args, points={name: kwargs.pop(name) for name in _NAMES}, **kwargs)

        decorated: Callable[..., Any] = command
        for names, settings in reversed(_OPTIONS):
            more = ("--model",) if model_too and names == ("--detector-model",) else ()
            decorated = click.option(*names, *more, names[0][2:].replace("-", "_"), **settings)(decorated)
        return decorated

    return give


def align_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --align and the options that go with it, as one argument `align`.

    Its value is a `PointSource`, or None without --align.
    """

    @click.option(
        "--align",
        "aligning",
        is_flag=True,
        help="Align the images to the model's template first, as `nsface align` does.",
    )
    @point_options()
    @functools.wraps(function)
    def command(*args: Any, aligning: bool, points: dict[str, Any], **kwargs: Any) -> Any:
        given = any(points[name] is not None for name in ("detector", "detector_model", "landmarks"))
        if given and not aligning:
            raise click.UsageError("--detector, --detector-model and --landmarks go with --align")
        return function(*args, align=point_source(points) if aligning else None, **kwargs)

    return command


def point_source(points: dict[str, Any]) -> PointSource:
    """What the options of `point_options` choose.

    Raises:
        UsageError: they do not go together.
        DataError: the file of landmarks cannot be used.
    """
    from nsface.images.alignment import read_landmarks
    from nsface.images.alignment.aligner import PointSource

    detector, model, landmarks = points["detector"], points["detector_model"], points["landmarks"]
    if (detector is None) == (landmarks is None):
        raise click.UsageError("give either --detector yunet|mtcnn or --landmarks FILE")
    if (detector == "yunet") != (model is not None):
        raise click.UsageError(
            "--detector-model FILE is YuNet's .onnx file: --detector yunet needs it, nothing else"
        )
    given = None if landmarks is None else read_landmarks(landmarks, points["order"])
    return PointSource(given, None if model is None else str(model), points["face"])
