"""The tables of docs/objectives.md against the code; those of heads are in tests/heads/test_own_head.py."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from nsface.auxiliary import AUXILIARY
from nsface.networks.activations import ACTIVATIONS, NoisyActivation, make_activation

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "objectives.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, list[str]]:
    """Cells of the rows of a section's tables that begin with names, by name."""
    text = re.split(r"^## ", PAGE.split(f"\n## {section}\n")[1], flags=re.MULTILINE)[0].replace("\\|", "")
    found = {}
    for names, cells in re.findall(r"^\| ((?:`[a-z-]+`(?:, )?)+) \|(.*)\|$", text, re.MULTILINE):
        for name in re.findall(r"`([a-z-]+)`", names):
            found[name] = [cell.strip() for cell in cells.split("|")]
    return found


@pytest.mark.parametrize("name", AUXILIARY)
def test_rows_of_auxiliary_losses_have_every_argument_and_its_default(name: str) -> None:
    table = rows("Auxiliary losses")
    assert set(table) == set(AUXILIARY)
    own = [p for p in inspect.signature(AUXILIARY[name]).parameters.values() if p.kind is p.KEYWORD_ONLY]
    said = re.findall(r"`(\w+)` (?:M )?([\d.]+)", table[name][1])
    assert [(key, float(value)) for key, value in said] == [(p.name, p.default) for p in own]


def noisy() -> list[str]:
    return [name for name in ACTIVATIONS if isinstance(make_activation(name, 1), NoisyActivation)]


@pytest.mark.parametrize("name", noisy())
def test_rows_of_noisy_activations_have_the_defaults(name: str) -> None:
    table = rows("Noisy activation functions")
    assert set(table) == set(noisy())
    made = make_activation(name, 1)
    assert isinstance(made, NoisyActivation)
    place = 0 if name.endswith("-tanh") else -1  # one number for both, or one for tanh and one for sigmoid
    said = {
        key: float(re.findall(r"[\d.]+", values)[place])
        for key, values in re.findall(r"`(\w+)` ([\d., ]+)", table[name][2])
    }
    defaults = {"c": pytest.approx(made.c.item())} | ({"alpha": made.alpha} if "alpha" in said else {})
    assert said == defaults
    assert ("alpha" in said) == hasattr(made, "alpha")
