"""Streamed batches are those from memory, whatever the images come from; faults of workers have one line."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.multiprocessing.reductions import shared_cache

from nsface.errors import DataError, NsfaceError
from nsface.images.batches import streaming
from nsface.images.batches.augmentation import Augmentation
from nsface.images.batches.loader import BatchLoader, Loader
from nsface.images.batches.sampling import IdentityBalanced, Shuffled
from nsface.images.batches.streaming import StreamingLoader
from nsface.images.pixels import load_pixels
from nsface.images.sources import Source, numbered, open_source
from nsface.images.store.packing import pack
from nsface.images.store.unpacking import write_folder
from tests.images.pictures import encoded, picture, write_tar
from tests.images.records import content, write_rec

CPU = torch.device("cpu")
HOW = Augmentation(mirror=True, shift=2, brightness=0.2, rotation=5, erase=0.3)
Batches = list[tuple[torch.Tensor, torch.Tensor]]


def settings(source: Source, indices: list[int], sampler: str = "shuffled") -> dict[str, Any]:
    labels, _ = numbered(source.identities[index] for index in indices)
    balanced = sampler == "balanced"
    drawn = IdentityBalanced(labels, 3, 2, seed=4) if balanced else Shuffled(len(labels), 8, seed=4)
    return {"labels": labels, "sampler": drawn, "augmentation": HOW, "seed": 5, "device": CPU}


def streamed(
    source: Source, indices: list[int], sampler: str = "shuffled", part: slice = slice(None)
) -> StreamingLoader:
    return StreamingLoader(source, indices, 12, 10, 2, part=part, **settings(source, indices, sampler))


def same(batches: Batches, expected: Batches) -> bool:
    return len(batches) == len(expected) > 0 and all(
        torch.equal(images, wanted) and torch.equal(labels, wanted_labels)
        for (images, labels), (wanted, wanted_labels) in zip(batches, expected, strict=True)
    )


def children() -> list[str]:
    """Processes of this one's that run, each with its kind: one is left over wherever this is not empty."""
    return [f"{type(child).__name__} {child}" for child in multiprocessing.active_children()]


def exhaust(loader: StreamingLoader, between: Callable[[], None] = lambda: None) -> None:
    """Three epochs, which together have every image; call `between` after each batch."""
    with loader:
        for epoch in range(3):
            for _ in loader.epoch(epoch):
                between()


@pytest.mark.parametrize("sampler", ["shuffled", "balanced"])
@pytest.mark.parametrize("part", [slice(None), slice(2, 4)])
def test_batches_are_those_from_memory(tar: Source, sampler: str, part: slice) -> None:
    indices = list(range(3, 33))
    pixels = load_pixels(tar, indices, 12, 10)
    memory: BatchLoader = Loader(pixels, part=part, **settings(tar, indices, sampler))
    with streamed(tar, indices, sampler, part) as loader:
        assert loader.batches_per_epoch == memory.batches_per_epoch == (3 if sampler == "shuffled" else 5)
        for epoch, first in [(0, 0), (3, 2), (1, 0)]:
            assert same(list(loader.epoch(epoch, first)), list(memory.epoch(epoch, first)))
        next(loader.epoch(2))  # an epoch that is left in the middle does not disturb the next
        assert same(list(loader.epoch(4, 1)), list(memory.epoch(4, 1)))
    assert children() == []


def as_list(source: Source, folder: Path) -> str:
    write_folder(source, folder / "images")
    names = [
        f"images/{name}\t{identity}" for name, identity in zip(source.names, source.identities, strict=True)
    ]
    (folder / "list.txt").write_text("\n".join(names))
    return str(folder / "list.txt")


def as_folder(source: Source, folder: Path) -> str:
    write_folder(source, folder / "images")
    return str(folder / "images")


def as_store(source: Source, folder: Path) -> str:
    pack(source, folder / "store")
    return str(folder / "store")


def as_encoded_store(source: Source, folder: Path) -> str:
    pack(source, folder / "store", encoded=True)
    return str(folder / "store")


def as_rec(source: Source, folder: Path) -> str:
    images = [source.read(index) for index in range(len(source))]
    labels = numbered(source.identities)[0].tolist()
    write_rec(folder / "train.rec", [content(x, y) for x, y in zip(images, labels, strict=True)])
    return str(folder / "train.rec")


def as_lmdb(source: Source, folder: Path) -> str:
    lmdb: Any = pytest.importorskip("lmdb", reason="the extra `lmdb` is not installed")
    with lmdb.open(str(folder / "lmdb")) as environment, environment.begin(write=True) as transaction:
        for index, name in enumerate(source.names):
            transaction.put(name.encode(), source.read(index))
    return str(folder / "lmdb")


def as_parquet(source: Source, folder: Path) -> str:
    arrow: Any = pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    from pyarrow import parquet

    images = [source.read(index) for index in range(len(source))]
    table = arrow.table({"image": images, "label": list(source.identities)})
    parquet.write_table(table, folder / "set.parquet", row_group_size=3)
    return str(folder / "set.parquet")


def as_shards(source: Source, folder: Path) -> str:
    write_tar(folder / "0.tar", images=20)
    write_tar(folder / "1.tar", images=20, extension=".png")
    return str(folder / "{0..1}.tar")


KINDS = [as_folder, as_list, as_shards, as_store, as_encoded_store, as_rec, as_lmdb, as_parquet]


@pytest.mark.parametrize("made", KINDS)
def test_every_kind_of_source_can_be_read_in_workers(
    tar: Source, tmp_path: Path, made: Callable[[Source, Path], str]
) -> None:
    source = open_source(made(tar, tmp_path))
    indices = list(range(len(source)))
    expected = list(Loader(load_pixels(source, indices, 12, 10), **settings(source, indices)).epoch(0))
    with streamed(source, indices) as loader:
        assert same(list(loader.epoch(0)), expected)
    decoder = streaming._Decoder(source, np.array([5, 7]), 12, 10)
    sent = pickle.dumps(decoder)  # as it is sent where processes are not forked
    whole = decoder[[0, 1]]
    del source, decoder, loader  # an LMDB environment cannot be open twice in a process
    assert torch.equal(pickle.loads(sent)[[0, 1]], torch.as_tensor(whole))


def test_a_bad_image_met_on_the_way_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(as_folder(open_source(str(write_tar(tmp_path / "x.tar"))), tmp_path))
    monkeypatch.setattr(streaming, "SAMPLE", 2)
    names = [str(path.relative_to(folder)) for path in sorted(folder.rglob("*.jpg"))]
    (folder / names[7]).write_bytes((folder / names[7]).read_bytes()[:-30])
    (folder / names[20]).write_bytes(encoded(picture(height=14), ".jpg"))
    source = open_source(str(folder))
    for indices, message in [
        (list(range(20)), f"{folder}: {names[7]}: truncated image; `nsface inspect` names all such"),
        (list(range(8, 40)), f"{folder}: {names[20]}: 14×10 .* where 12×10 is needed; `nsface inspect`"),
    ]:
        with pytest.raises(DataError, match=f"^{message}"):
            exhaust(streamed(source, indices))
        assert children() == []
    with pytest.raises(DataError, match=f"1 of 2 images cannot be used: {names[7]}: truncated .* a sample"):
        streamed(source, [1, 7])
    (folder / names[7]).unlink()
    with pytest.raises(DataError, match=f"{names[7]}: no such file"):
        exhaust(streamed(source, list(range(20))))


def test_sets_that_cannot_be_streamed(tar: Source, tmp_path: Path) -> None:
    store = open_source(as_store(tar, tmp_path))
    for source, message in [(tar, "2 of 2 images .*12×10 .* where 12×12 is"), (store, "store: 12×10")]:
        with pytest.raises(DataError, match=message):
            StreamingLoader(source, [0, 39], 12, 12, 1, **settings(source, [0, 39]))
    writer = cv2.VideoWriter(str(tmp_path / "x.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 5, (10, 12))
    for number in range(2):
        writer.write(picture(seed=number))
    writer.release()
    video = open_source(str(tmp_path / "x.avi"))
    with pytest.raises(DataError, match=r"x\.avi: frames of videos .* pack them"):
        StreamingLoader(video, [0, 1], 12, 10, 1, **settings(video, [0, 1]))


def test_workers_outlive_a_request_to_stop_and_end_with_the_training(tar: Source) -> None:
    with streamed(tar, list(range(40))) as loader:
        batches = loader.epoch(0)
        for _ in range(2):  # one from each worker: both have begun
            next(batches)
        for worker in multiprocessing.active_children():
            for number in (signal.SIGINT, signal.SIGTERM):
                os.kill(worker.pid or 0, number)
        assert len(list(batches)) == 3
        assert len(children()) == 2
        assert len(list(loader.epoch(1))) == 5
    assert children() == []


def kill_workers() -> None:
    for worker in multiprocessing.active_children():
        os.kill(worker.pid or 0, signal.SIGKILL)


def test_a_worker_that_is_killed_ends_the_training_in_one_line(tar: Source) -> None:
    loader = streamed(tar, list(range(40)))
    with pytest.raises(NsfaceError, match=r"has ended \(.*/dev/shm"):
        exhaust(loader, kill_workers)
    for worker in multiprocessing.active_children():
        worker.join(10)  # what is killed takes a moment to be gone
    assert children() == []


def test_no_worker_is_left_when_the_loss_of_another_interrupts_the_end(
    tar: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    # how long PyTorch waits for each worker, which does not hear of the end
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.1)
    loader = streamed(tar, list(range(40)))

    def interrupted() -> None:
        raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")

    def prepare() -> None:
        running: Any = loader._decoded._iterator
        running._workers_done_event.set = interrupted

    with pytest.raises(NsfaceError, match="has ended"):
        exhaust(loader, prepare)
    for worker in multiprocessing.active_children():
        worker.join(10)
    assert children() == []


def test_nothing_is_kept_of_batches_that_were_used(tar: Source) -> None:
    with streamed(tar, list(range(40))) as loader:
        for epoch in range(8):
            for _ in loader.epoch(epoch):
                assert len(shared_cache) < 8


def test_streaming_leaves_the_shared_random_stream_alone(tar: Source) -> None:
    torch.manual_seed(1)
    expected = torch.randn(3)
    torch.manual_seed(1)
    with streamed(tar, list(range(40))) as loader:
        list(loader.epoch(0))
        assert torch.equal(torch.randn(3), expected)
