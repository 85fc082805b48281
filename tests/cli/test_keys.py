"""The keys of the JSON results stand in the documentation, and the documentation names no others."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nsface.embeddings import Embeddings, save
from nsface.synthetic import write_training_set

Run = Callable[..., Any]
DATA = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")


def test_keys_of_inspect(nsface: Run, tmp_path: Path) -> None:
    write_training_set(tmp_path / "faces", identities=2, images=2)
    assert nsface("pack", tmp_path / "faces", tmp_path / "store").status == 0
    result = nsface("inspect", tmp_path / "store", "--deep", "--json", "-").json
    assert documented("The keys of its JSON object") == set(result)


def test_keys_of_overlap(nsface: Run, tmp_path: Path) -> None:
    for name in ("train", "test"):
        vectors = Embeddings(["A/1.jpg", "B/1.jpg"], np.eye(2, dtype=np.float32))
        save(tmp_path / f"{name}.npz", vectors)
    result = nsface("overlap", tmp_path / "train.npz", tmp_path / "test.npz", "--json", "-").json
    assert documented("The keys of the JSON object of `overlap`") == {*result, *result["matches"][0]}


def documented(sentence: str) -> set[str]:
    """The keys in the first column of the table that follows the sentence in docs/data.md."""
    table = DATA.partition(sentence)[2].partition("##")[0]
    cells = re.findall(r"^\| (`.*?) \|", table, re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`([^`]+)`", cell)}
