"""The table of docs/networks.md against the networks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from nsface.arguments import own_arguments
from nsface.networks import NETWORKS, build, count

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells[1:]
    for cells in (line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `"))
}


def test_every_network_has_a_row() -> None:
    assert set(ROWS) == set(NETWORKS)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_row_has_the_cost_and_the_arguments(name: str) -> None:
    images, embedding_size, parameters, multiply_adds, arguments, source = ROWS[name]
    height, width = map(int, images.split("×"))
    with torch.device("meta"):
        found = count(
            build(name, height=height, width=width, embedding_size=int(embedding_size)), height, width
        )
    assert parameters == f"{found.parameters:,}"
    assert multiply_adds == f"{found.multiply_adds / 1e6:,.0f} M"
    settled = ("height", "width", "embedding_size")
    assert re.findall(r"`(\w+)`", arguments) == own_arguments(NETWORKS[name], settled)
    assert all(f"\n{number}. " in PAGE for number in re.findall(r"\[(\d+)\]", source))
