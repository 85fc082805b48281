"""InsightFace's `.bin` verification sets, read without unpickling.

The file is a pickle of (list of encoded images as bytes, list of booleans); image 2i is compared with image
2i + 1. A pickle is a program. This reader runs a subset that can only build tuples, lists, bytes, booleans
and small integers. Every other operation is an error that names it; nothing is ever imported or called.
"""

from __future__ import annotations

import hashlib
import io
import pickletools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nsface.errors import DataError, shown
from nsface.files import reason
from nsface.images.sources.base import Source

_IGNORED = {"PROTO", "FRAME", "STOP"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"}
_TEXT = {"BINSTRING", "SHORT_BINSTRING"}  # Python 2's bytes, which pickletools shows as Latin-1 text
_NUMBERS = {"BININT", "BININT1", "BININT2"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class BinSource(Source):
    """The 2P images of P pairs, named `000000`, `000001`, …; they have no identities.

    Attributes:
        same: whether images 2i and 2i + 1 are of one person, P booleans.

    Raises:
        DataError: missing, truncated, an opcode outside the subset (named), or the lists are not 2P images
        and P booleans.
    """

    kind = "bin"
    fingerprint_samples = 0

    def __init__(self, path: Path) -> None:
        try:
            content = _run(path.read_bytes(), path)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {reason(error)}") from error
        except (ValueError, OverflowError, MemoryError) as error:
            raise DataError(
                f"{path}: damaged or no .bin file ({shown(error)[:80]}); download it again"
            ) from error
        self.location = str(path)
        self._images, self.same = _parts(content, path)
        self.names = [f"{number:06d}" for number in range(len(self._images))]

    def read(self, index: int) -> bytes:
        return self._images[index]

    def stamps(self) -> Iterable[tuple[str, int]]:
        digests: dict[int, str] = {}  # a pickle may give one image many times
        for image in self._images:
            if id(image) not in digests:
                digests[id(image)] = hashlib.sha256(image).hexdigest()
            yield digests[id(image)], 0


def _parts(content: Any, path: Path) -> tuple[list[bytes], list[bool]]:
    fits = (
        isinstance(content, tuple | list) and len(content) == 2 and all(isinstance(c, list) for c in content)
    )
    if not fits or not all(isinstance(item, bytes) for item in content[0]):
        raise DataError(
            f"{path}: not (list of images, list of booleans); give an InsightFace verification set"
        )
    images, labels = content
    if not all(type(label) is bool or label in (0, 1) for label in labels):
        raise DataError(f"{path}: labels are not booleans; give an InsightFace verification set")
    if len(images) != 2 * len(labels):
        raise DataError(f"{path}: {len(images)} images for {len(labels)} pairs; download it again")
    return images, [bool(label) for label in labels]


def _run(data: bytes, path: Path) -> Any:
    """The value that the pickle in `data` builds, in a time that grows with its length."""
    stack: list[Any] = []
    marks: list[int] = []  # how high the stack was at each MARK that is open
    memo: dict[int, Any] = {}
    argument: Any
    # a buffer in memory gives no more than there is, whatever length an opcode claims
    for opcode, argument, position in pickletools.genops(io.BytesIO(data)):
        name = opcode.name
        try:
            if name in _IGNORED:
                pass
            elif name in _BYTES:
                stack.append(argument)
            elif name in _TEXT:
                stack.append(argument.encode("latin-1"))
            elif name in _NUMBERS:
                stack.append(argument)
            elif name in ("NEWTRUE", "NEWFALSE"):
                stack.append(name == "NEWTRUE")
            elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
                memo[argument] = stack[-1]
            elif name == "MEMOIZE":
                memo[len(memo)] = stack[-1]
            elif name in ("GET", "BINGET", "LONG_BINGET"):
                stack.append(memo[argument])
            elif not _build(name, stack, marks):
                raise DataError(
                    f"{path}: pickle opcode {name} at byte {position} is refused: it builds no list; "
                    "write the set again with Python 3 and pickle protocol 3 or later"
                )
        except (IndexError, KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"opcode {name} at byte {position} finds nothing to work on") from error
    if len(stack) != 1 or marks:
        raise ValueError("the pickle does not end with one value")
    return stack[0]


def _build(name: str, stack: list[Any], marks: list[int]) -> bool:
    """Apply an opcode that makes or extends a tuple or list; false where `name` is another opcode."""
    if name == "MARK":
        marks.append(len(stack))
    elif name == "EMPTY_LIST":
        stack.append([])
    elif name == "EMPTY_TUPLE":
        stack.append(())
    elif name in _TUPLES:
        count = _TUPLES[name]
        if len(stack) < count:
            raise IndexError
        stack[-count:] = [tuple(stack[-count:])]
    elif name == "APPEND":
        item = stack.pop()
        _list(stack[-1]).append(item)
    elif name in ("APPENDS", "LIST", "TUPLE"):
        mark = marks.pop()
        if mark > len(stack):  # the items were removed after the mark
            raise IndexError
        items = stack[mark:]
        del stack[mark:]
        if name == "APPENDS":
            _list(stack[-1]).extend(items)
        else:
            stack.append(items if name == "LIST" else tuple(items))
    else:
        return False
    return True


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value
