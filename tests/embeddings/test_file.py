"""The embeddings file: what is written comes back, and what is no such file is refused in one line."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsface.embeddings.file import Embeddings, load, save
from nsface.errors import DataError, NsfaceError
from nsface.names import prefix_between, renamed, stem
from nsface.stored_rows import StoredRows

NAMES = ["Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "B Ünal/B_0001.png"]
VECTORS = np.arange(12, dtype=np.float32).reshape(3, 4) / np.float32(7)


@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_written_and_read_back(tmp_path: Path, name: str) -> None:
    save(tmp_path / name, Embeddings(NAMES, VECTORS, {"flip": "sum"}))
    back = load(tmp_path / name)
    assert list(back.names) == NAMES
    assert np.array_equal(back.vectors, VECTORS)
    assert back.meta == {"flip": "sum"}
    assert isinstance(back.vectors, StoredRows) == name.endswith("npy")
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
        "no names": archive(embeddings=VECTORS, meta=meta),
        "too few names": archive(names=names[:2], embeddings=VECTORS, meta=meta),
        "numbers as names": archive(names=np.arange(3), embeddings=VECTORS, meta=meta),
        "integers": archive(names=names, embeddings=VECTORS.astype(np.int8), meta=meta),
        "beyond float32": archive(names=names, embeddings=VECTORS.astype(np.float64) * 1e300, meta=meta),
        "no dimensions": archive(names=names, embeddings=VECTORS[:, :0], meta=meta),
        "names without letters": archive(names=np.zeros(3, "U0"), embeddings=VECTORS, meta=meta),
        "names of no letters": archive(
            names=np.full(9, 0x110000, "<u4").view("<U3"), embeddings=VECTORS, meta=meta
        ),
        "names of no letters, swapped": archive(
            names=np.full(3, 0x7FFFFFFF, ">u4").view(">U1"), embeddings=VECTORS, meta=meta
        ),
        "meta of no letters": archive(
            names=names, embeddings=VECTORS, meta=np.full(1, 0x110000, "<u4").view("<U1")
        ),
        "names of names": archive(names=names.reshape(3, 1), embeddings=VECTORS, meta=meta),
        "frames of other templates": archive(
            names=names,
            embeddings=VECTORS,
            meta=np.array('{"pooling": "mean", "frames_per_template": [1]}'),
        ),
        "frames without pooling": archive(
            names=names, embeddings=VECTORS, meta=np.array('{"frames_per_template": [1, 1, 1]}')
        ),
        "fused is a number": archive(names=names, embeddings=VECTORS, meta=np.array('{"fused": 5}')),
        "the model is a list": archive(names=names, embeddings=VECTORS, meta=np.array('{"model": ["x"]}')),
        "meta nested without end": archive(names=names, embeddings=VECTORS, meta=np.array("[" * 100_000)),
        "meta of many digits": archive(names=names, embeddings=VECTORS, meta=np.array("9" * 5000)),
        "comma-separated": b"1.0,2.0\n3.0,4.0\n",
        "MATLAB": b"MATLAB 5.0 MAT-file" + b" " * 200,
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
    with pytest.raises(DataError, match="1 of 3 embeddings are not finite in float32: Ada/Ada_0002"):
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

    monkeypatch.setattr("nsface.embeddings.file.npy_header", full)
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
        with pytest.raises(DataError, match=r"x\.npz(, \w+)?: ") as error:
            load(path)
        assert "\n" not in str(error.value), what


def test_unusable_paths(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        load(tmp_path / "nothing.npz")
    with pytest.raises(DataError, match=r"ends in \.npz"):
        save(tmp_path / "x.txt", Embeddings(NAMES, VECTORS))
    with pytest.raises(NsfaceError, match="no such folder"):
        save(tmp_path / "nowhere" / "x.npz", Embeddings(NAMES, VECTORS))


def header_of(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": kind, "fortran_order": False, "shape": shape})
    return buffer.getvalue()


HUGE = {
    "embeddings": {
        "embeddings": header_of((4_000_000_000, 512)),
        "names": header_of((4_000_000_000,), "<U9"),
    },
    "names": {"embeddings": header_of((3, 4)) + bytes(48), "names": header_of((3,), "<U900000000")},
    "meta": {
        "embeddings": header_of((1, 4)) + bytes(16),
        "names": header_of((1,), "<U1") + b"a\0\0\0",
        "meta": header_of((), "<U900000000"),
    },
    "a product beyond 64 bits": {
        "embeddings": header_of((2**40, 2**40)),
        "names": header_of((2**40,), "<U1"),
    },
}


@pytest.mark.parametrize("what", HUGE)
def test_a_header_that_promises_more_than_the_file_holds_is_refused(tmp_path: Path, what: str) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        for name, data in HUGE[what].items():
            archive.writestr(f"{name}.npy", data)
    with pytest.raises(DataError, match="promises"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("name", ["embeddings", "names", "meta"])
def test_an_archive_made_to_fill_the_memory_is_refused(tmp_path: Path, name: str) -> None:
    parts = {"embeddings": header_of((3, 4)) + bytes(48), "names": header_of((3,), "<U1") + b"a\0\0\0" * 3}
    parts[name] = header_of((1 << 23, 8), "<f4") + bytes(1 << 28)
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for part, data in parts.items():
            archive.writestr(f"{part}.npy", data)
    assert (tmp_path / "x.npz").stat().st_size < 1 << 20
    with pytest.raises(DataError, match="made to fill the memory"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(tmp_path: Path, method: int) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w", method) as archive:
        archive.writestr("embeddings.npy", header_of((3, 4)) + bytes(48))
        archive.writestr("names.npy", header_of((3,), "<U1") + b"a\0\0\0" * 3)
    with pytest.raises(DataError, match="compressed in a way"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize("kind", ["<f2", ">f2", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("name", ["x.npz", "x.npy", "compressed.npz", "columns.npz"])
def test_names_and_vectors_of_others_are_enough(tmp_path: Path, name: str, kind: str) -> None:
    path, vectors = tmp_path / name, VECTORS.astype(kind)
    if name == "columns.npz":
        vectors = np.asfortranarray(vectors)
    if name == "x.npy":
        np.save(path, vectors)
        path.with_suffix(".names.txt").write_text("\r\n".join(NAMES), encoding="utf-8-sig", newline="")
    else:
        (np.savez_compressed if name == "compressed.npz" else np.savez)(path, names=NAMES, embeddings=vectors)
    back = load(path)
    assert list(back.names) == NAMES
    assert back.meta == {}
    rows = back.vectors[np.arange(3)]
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, VECTORS.astype(kind).astype(np.float32))


def test_names_as_bytes_are_utf8(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", names=[name.encode() for name in NAMES], embeddings=VECTORS)
    assert list(load(tmp_path / "x.npz").names) == NAMES


@pytest.mark.parametrize("order", ["<", ">"])
def test_names_of_either_byte_order(tmp_path: Path, order: Literal["<", ">"]) -> None:
    names = np.array(NAMES)
    np.savez(tmp_path / "x.npz", names=names.astype(names.dtype.newbyteorder(order)), embeddings=VECTORS)
    assert list(load(tmp_path / "x.npz").names) == NAMES


@pytest.mark.parametrize("name", ["x.csv", "x.mat", "x.pkl", "x.h5", "x.pt"])
def test_other_formats_are_refused_in_plain_words(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"0.1,0.2\n0.3,0.4\n")
    with pytest.raises(DataError, match=rf"from {name[1:]}; .*numpy.savez"):
        load(tmp_path / name)


def test_an_array_alone_needs_its_names(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", VECTORS)
    with pytest.raises(DataError, match=r"put x\.names\.txt beside it, the 3 names"):
        load(tmp_path / "x.npy")
    (tmp_path / "x.npy").rename(tmp_path / "x.npz")
    with pytest.raises(DataError, match=r"single array \(.npy\), which has no names"):
        load(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\nb\n".encode("utf-16"), "UTF-16"),
        ("a\nb\nc\n".encode("utf-16-le"), "UTF-16"),
        (b"a\nb\n", "2 names and 3 embeddings"),
        (b"a\nb\na\n", "'a' occurs twice"),
        (b"", "0 names and 3"),
    ],
)
def test_companions_that_do_not_fit(tmp_path: Path, text: bytes, problem: str) -> None:
    np.save(tmp_path / "x.npy", VECTORS)
    (tmp_path / "x.names.txt").write_bytes(text)
    with pytest.raises(DataError, match=problem):
        load(tmp_path / "x.npy")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["a/1.jpg", "a/1.png", "b/1.jpg"], "a/1"),
        (["a/1.jpg", "a/1.png", "b/1.jpg"], "a/1.webp"),
        (["Jose\u0301/1.png", "Jos\u00e9/1.jpg", "b/1.jpg"], "Jos\u00e9/1"),
        (["a/1", "a/1.JPG", "b/1.jpg"], "a/1.png"),
    ],
)
def test_a_name_that_fits_two_images_is_refused(names: list[str], wanted: str) -> None:
    with pytest.raises(DataError, match="may be any of") as error:
        Embeddings(names, VECTORS).rows(["b/1.jpg", wanted])
    assert all(name in str(error.value) for name in names[:2])


@pytest.mark.parametrize(
    ("names", "asked", "prefix"),
    [
        (["crops/a/1.jpg", "crops/b/1.jpg"], ["a/1.jpg", "b/1.jpg"], "crops/"),
        (["x/y/a/1.png", "x/y/b/1.png"], ["a/1.jpg"], "x/y/"),
        (["a/1.jpg", "b/1.jpg"], ["lfw/a/1.jpg", "lfw/b/1.jpg"], "lfw/"),
        (["/abs/a/1.jpg", "/abs/b/1.jpg"], ["a/1.jpg"], "/abs/"),
        (["1.jpg", "2.jpg"], ["p/1", "p/2"], "p/"),
        (["crops/a/1.jpg", "crops/b/1.jpg"], ["a/1.jpg", "c/1.jpg"], None),
        (["a_1.jpg", "b_1.jpg"], ["a/a_2.jpg"], None),
        (["ca/1.jpg"], ["a/1.jpg"], None),
        ([], ["a/1.jpg"], None),
    ],
)
def test_a_prefix_that_would_find_all_is_offered(
    names: list[str], asked: list[str], prefix: str | None
) -> None:
    assert prefix_between(names, asked) == prefix
    embeddings = Embeddings(names, np.ones((len(names), 4), np.float32))
    with pytest.raises(DataError) as error:
        embeddings.rows(asked)
    assert (f"`--name-prefix {prefix}`" in str(error.value)) == (prefix is not None)
    if prefix:
        assert len(embeddings.with_prefix(prefix).rows(asked)) == len(asked)


@given(
    st.lists(st.text("ab/", min_size=1, max_size=6), min_size=1, unique=True),
    st.text("ab/", min_size=1, max_size=4),
)
def test_a_prefix_is_put_before_names_and_taken_off_again(names: list[str], prefix: str) -> None:
    longer = [prefix + name for name in names]
    assert renamed(longer, prefix) == names
    if not any(name.startswith(prefix) for name in names):
        assert renamed(names, prefix) == longer


def test_a_prefix_that_makes_two_names_one_is_refused() -> None:
    with pytest.raises(DataError, match="two images have one name"):
        Embeddings(["crops/a.jpg", "a.jpg", "b.jpg"], VECTORS).with_prefix("crops/")


@pytest.mark.parametrize("rows", [[], [1], [0, 2]])
@pytest.mark.parametrize("name", ["x.npz", "x.npy"])
def test_zeros_are_found(tmp_path: Path, name: str, rows: list[int]) -> None:
    vectors = VECTORS + 1
    vectors[rows] = 0
    save(tmp_path / name, Embeddings(NAMES, vectors))
    assert load(tmp_path / name).zeros() == [NAMES[row] for row in rows]


def test_files_are_those_that_numpy_writes(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(9000, 5)).astype(np.float32)  # more than one block
    names = [f"Ærø/{number}.jpg" for number in range(9000)]
    meta = {"flip": "sum"}
    save(tmp_path / "x.npz", Embeddings(names, vectors, meta))
    expected = tmp_path / "expected.npz"
    np.savez(expected, names=np.asarray(names), embeddings=vectors, meta=np.asarray(json.dumps(meta)))
    assert (tmp_path / "x.npz").read_bytes() == expected.read_bytes()
    save(tmp_path / "x.npy", Embeddings(names, vectors, meta))
    np.save(tmp_path / "expected.npy", vectors)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "expected.npy").read_bytes()
    save(tmp_path / "again.npz", load(tmp_path / "x.npy"))
    assert (tmp_path / "again.npz").read_bytes() == expected.read_bytes()
