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
    table = DATA.partition("The keys of its JSON object")[2].partition("##")[0]
    named = {key for cell in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in code(cell)}
    assert named == set(result)


def test_keys_of_overlap(nsface: Run, tmp_path: Path) -> None:
    for name in ("train", "test"):
        vectors = Embeddings(["A/1.jpg", "B/1.jpg"], np.eye(2, dtype=np.float32))
        save(tmp_path / f"{name}.npz", vectors)
    result = nsface("overlap", tmp_path / "train.npz", tmp_path / "test.npz", "--json", "-").json
    text = DATA.partition("In the JSON object `found`")[2].partition("    nsface")[0]
    assert code("`found` " + text) - {"--exclude", "{person, score}"} == {*result, *result["matches"][0]}


def code(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))
