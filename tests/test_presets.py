"""What the file says, what the user says and a preset make a preprocessing, and nothing is guessed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from nsface.errors import NsfaceError
from nsface.preprocessing import Preprocessing
from nsface.presets import PRESETS, completed_preprocessing

EVERYTHING: dict[str, Any] = {
    "height": 112,
    "width": 112,
    "colour": "BGR",
    "mean": 127.5,
    "std": (1.0, 2.0, 3.0),
    "template": "arcface",
}


def test_given_fields_change_a_preset_and_complete_the_file() -> None:
    made = completed_preprocessing("f", {"std": 128.0}, {}, "adaface")
    assert made == PRESETS["adaface"].model_copy(update={"std": 128.0})
    for name, value in EVERYTHING.items():
        rest = {key: one for key, one in EVERYTHING.items() if key != name}
        assert completed_preprocessing("f", rest, {name: value}) == Preprocessing(**EVERYTHING)


@pytest.mark.parametrize("name", EVERYTHING)
def test_what_nobody_says_is_asked_for(name: str) -> None:
    rest = {key: one for key, one in EVERYTHING.items() if key != name}
    option = "--input-size" if name in ("height", "width") else f"--{name}"
    with pytest.raises(
        NsfaceError, match=rf"f: the file does not say the {name} of its images; give {option}, "
    ):
        completed_preprocessing("f", rest, {})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"height": 96}, "its height is 112, not 96; leave out --input-size"),
        ({"std": 0.0}, "--std: give a number greater than 0"),
        ({"mean": float("nan")}, "--mean: give a finite number"),
        ({"colour": "GBR"}, "--colour: "),
    ],
)
def test_contradictions_and_impossible_values_are_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(NsfaceError, match=message):
        completed_preprocessing("f", given, {"height": 112}, "arcface_torch")


@pytest.mark.parametrize(
    ("given", "known", "message"),
    [
        (
            {},
            EVERYTHING | {"colour": "RGB"},
            "its colour is RGB, not BGR .*leave out --preset: the file says all",
        ),
        ({}, {"width": 96}, "its width is 96, not 112 as --preset adaface has it; give the --template"),
        ({"std": 3.0}, {"std": 3.0, "mean": 0.0}, "its mean is 0.0, not 127.5 .*options beside it"),
    ],
)
def test_a_preset_does_not_contradict_the_file(
    given: dict[str, Any], known: dict[str, Any], message: str
) -> None:
    with pytest.raises(NsfaceError, match=message):
        completed_preprocessing("f", given, known, "adaface")


def test_a_preset_may_agree_with_the_file_and_options_speak_for_another_part() -> None:
    all_of_it = PRESETS["adaface"]
    assert completed_preprocessing("f", {}, all_of_it.model_dump(), "adaface") == all_of_it
    given = {"template": "sphereface"}
    narrow = completed_preprocessing("f", given, {"height": 112, "width": 96}, "adaface")
    assert narrow == all_of_it.model_copy(update={"width": 96, **given})
    assert completed_preprocessing("f", {"std": 3.0}, {"std": 3.0}, "adaface").std == 3.0


def test_unknown_preset() -> None:
    with pytest.raises(NsfaceError, match="no preset is called 'arcface'"):
        completed_preprocessing("f", {}, {}, "arcface")


def test_bgr_is_the_reversed_rgb_and_numbers_follow_the_order_of_the_network() -> None:
    pixels = torch.rand(2, 3, 4, 5) * 255
    made = Preprocessing(colour="BGR", mean=(1.0, 2.0, 3.0), std=(4.0, 5.0, 6.0)).normalise(pixels)
    for channel, (rgb, mean, std) in enumerate([(2, 1, 4), (1, 2, 5), (0, 3, 6)]):
        torch.testing.assert_close(made[:, channel], (pixels[:, rgb] - mean) / std)
