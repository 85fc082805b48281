"""The note about a model that was chosen by the list it is scored on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nsface.embeddings.file import Embeddings
from nsface.embeddings.meta import SELECTED_ON
from nsface.files import digest
from nsface.protocols.pairs import Pairs


def test_a_model_chosen_by_the_very_list_is_noted(tmp_path: Path) -> None:
    names = [f"{person}/{image}.jpg" for person in range(24) for image in range(2)]
    lists = {}
    for name, step in (("chosen.txt", 2), ("other.txt", 4)):
        lists[name] = tmp_path / name
        same = [f"{a}\t{b}\t1\n" for a, b in zip(names[::2], names[1::2], strict=True)]
        different = [f"{a}\t{b}\t0\n" for a, b in zip(names[::step], names[3::step], strict=False)]
        lists[name].write_text("".join(same + different[::3]))
    vectors = np.random.default_rng(0).normal(size=(48, 4)).astype(np.float32)
    meta = {SELECTED_ON: digest(lists["chosen.txt"])}

    def notes(meta: dict[str, Any], name: str) -> list[str]:
        embeddings = Embeddings(names, vectors, meta)
        protocol = Pairs(lists[name])
        return [note for note in protocol.measure(embeddings, protocol.read()).notes if "was chosen" in note]

    assert len(notes(meta, "chosen.txt")) == 1
    assert "chosen.txt: the model was chosen" in notes({"fused": [{}, meta]}, "chosen.txt")[0]
    assert notes(meta, "other.txt") == notes({}, "chosen.txt") == notes({SELECTED_ON: 5}, "chosen.txt") == []
