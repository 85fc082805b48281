"""The embeddings file: what is written comes back, and what is no such file is refused in one line."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.embeddings.file import Embeddings, load, save
from nsface.errors import DataError, NsfaceError
from nsface.names import stem

NAMES = ["Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "B Ünal/B_0001.png"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / np.float32(7)


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_written_and_read_back(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, Embeddings(NAMES, VECTORS, {"flip": "sum"}))
    back = load(tmp_path / name)
    assert list(back.names) == NAMES
    assert np.array_equal(back.vectors, VECTORS)
    assert back.meta == {"flip": "sum"}
    assert isinstance(back.vectors, np.memmap) == name.endswith("npy")
    assert not list(tmp_path.glob(".*")), "no temporary file is left"


def test_the_contract_of_the_npz_file(tmp_path: Path) -> None:
    save(tmp_path / "x.npz", Embeddings(NAMES, VECTORS, {"flip": "sum"}))
    with np.load(tmp_path / "x.npz", allow_pickle=False) as file:
        assert set(file) == {"names", "embeddings", "meta"}
        assert file["names"].dtype.kind == "U"
        assert file["embeddings"].dtype == np.float32
        assert json.loads(str(file["meta"])) == {"flip": "sum"}


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_same_content_same_bytes(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, Embeddings(NAMES, VECTORS))
    first = (tmp_path / name).read_bytes()
    save(tmp_path / name, Embeddings(NAMES, VECTORS))
    assert (tmp_path / name).read_bytes() == first


def test_rows_tolerate_another_extension_or_none() -> None:
    embeddings = Embeddings(NAMES, VECTORS)
    assert embeddings.rows(["B Ünal/B_0001.jpg", "Ada/Ada_0002", "Ada/Ada_0001.jpg"]).tolist() == [2, 1, 0]


def test_an_exact_name_wins_over_another_extension() -> None:
    embeddings = Embeddings(["a/1.png", "a/1.jpg"], VECTORS[:2])
    assert embeddings.rows(["a/1.png", "a/1.jpg"]).tolist() == [0, 1]


def test_missing_names_are_counted_and_ten_are_shown() -> None:
    with pytest.raises(DataError) as error:
        Embeddings(NAMES, VECTORS).rows([f"Z/{number:02d}.jpg" for number in range(25)] + NAMES)
    message = str(error.value)
    assert "25 of 28 images" in message
    assert message.count("Z/") == 10
    assert "and 15 more" in message


@given(st.text(min_size=1, max_size=20))
def test_stem_drops_only_image_extensions(name: str) -> None:
    assert stem(stem(name)) == stem(name) or stem(name).lower().endswith((".jpg", ".png", ".bmp", ".tif"))
    assert stem("a/v1.2") == "a/v1.2"
    assert stem("a/v1.2.JPG") == "a/v1.2"


def corrupt(folder: Path) -> dict[str, bytes]:
    def archive(**arrays: object) -> bytes:
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    names, meta = np.array(NAMES), np.array("{}")
    whole = archive(names=names, embeddings=VECTORS, meta=meta)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as file:
        for part in ("names.npy", "embeddings.npy", "meta.npy"):
            file.writestr(part, pickled.getvalue())
    return {
        "empty": b"",
        "text": b"hello",
        "truncated": whole[:200],
        "one array": pickled.getvalue(),
        "pickles": hidden.getvalue(),
        "no meta": archive(names=names, embeddings=VECTORS),
        "no names": archive(embeddings=VECTORS, meta=meta),
        "too few names": archive(names=names[:2], embeddings=VECTORS, meta=meta),
        "numbers as names": archive(names=np.arange(3), embeddings=VECTORS, meta=meta),
        "float64": archive(names=names, embeddings=VECTORS.astype(np.float64), meta=meta),
        "flat": archive(names=names, embeddings=VECTORS[:, 0], meta=meta),
        "not finite": archive(names=names, embeddings=VECTORS * np.float32("nan"), meta=meta),
        "repeated name": archive(names=names[[0, 0, 1]], embeddings=VECTORS, meta=meta),
        "meta is no JSON": archive(names=names, embeddings=VECTORS, meta=np.array("{")),
        "meta is a list": archive(names=names, embeddings=VECTORS, meta=np.array("[]")),
    }


def test_a_damaged_compressed_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, names=np.array(NAMES), embeddings=VECTORS, meta=np.array("{}"))
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with suppress(DataError):  # anything else would be an internal error
            load(path)


def test_npy_with_numbers_that_are_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    save(path, Embeddings(NAMES, VECTORS))
    vectors = VECTORS.copy()
    vectors[1, 2] = np.nan
    np.save(path, vectors)
    with pytest.raises(DataError, match="1 of 3 embeddings are not finite: Ada/Ada_0002"):
        load(path)
    for name in ("x.npy", "y.npz"):
        with pytest.raises(DataError, match="not finite"):
            save(tmp_path / name, Embeddings(NAMES, vectors))
    assert not (tmp_path / "y.npz").exists()


def test_npy_and_its_companions_change_together_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npy"
    save(path, Embeddings(NAMES, VECTORS, {"model": "old"}))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(NsfaceError, match="no space left"):
        save(path, Embeddings(NAMES[::-1], VECTORS, {"model": "new"}))
    assert list(load(path).names) == NAMES
    assert load(path).meta == {"model": "old"}
    assert len(list(tmp_path.iterdir())) == 3


def test_names_of_npy_may_hold_anything_but_line_ends(tmp_path: Path) -> None:
    names = ["a\u2028b.jpg", "caf\udce9.jpg", "x\x0cy.jpg"]
    save(tmp_path / "x.npy", Embeddings(names, VECTORS))
    assert list(load(tmp_path / "x.npy").names) == names
    with pytest.raises(DataError, match="two lines"):
        save(tmp_path / "y.npy", Embeddings(["a\nb.jpg", *NAMES[1:]], VECTORS))
    assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_repeated_names_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"several images are called a\.jpg"):
        save(tmp_path / name, Embeddings(["a.jpg", "b.jpg", "a.jpg"], VECTORS))
    assert list(tmp_path.iterdir()) == []


def test_decomposed_unicode_is_the_same_name() -> None:
    embeddings = Embeddings(["Jose\u0301/1.jpg", "B/1.jpg", "C/1.jpg"], VECTORS)
    assert embeddings.rows(["Jos\u00e9/1.jpg", "B/1.jpg"]).tolist() == [0, 1]


def test_what_is_no_embeddings_file_is_refused(tmp_path: Path) -> None:
    for what, data in corrupt(tmp_path).items():
        path = tmp_path / "x.npz"
        path.write_bytes(data)
        with pytest.raises(DataError, match=r"x\.npz: ") as error:
            load(path)
        assert "\n" not in str(error.value), what


def test_unusable_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(DataError, match=r"ends in \.npz"):
        save(tmp_path / "x.txt", Embeddings(NAMES, VECTORS))
    with pytest.raises(NsfaceError, match="no such folder"):
        save(tmp_path / "nowhere" / "x.npz", Embeddings(NAMES, VECTORS))
