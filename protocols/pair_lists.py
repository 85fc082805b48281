"""Which verification protocol a list of pairs is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsface.errors import DataError, shown
from nsface.protocols.fglfw import Fglfw
from nsface.protocols.lfw import Lfw
from nsface.protocols.list_files import list_file
from nsface.protocols.pairs import Pairs
from nsface.protocols.protocol import AnyPath
from nsface.protocols.verification import VerificationProtocol


def protocol_of(path: AnyPath) -> VerificationProtocol[Any]:
    """The protocol that scores the list of pairs at `path`, which its first lines tell.

    Raises:
        DataError: it cannot be read, or is no list of pairs that is scored over folds.
    """
    file = list_file(Path(path))
    for protocol in (Lfw, Fglfw, Pairs):
        for found in protocol.found_among([file]):
            if found.protocol is None:
                break
            assert isinstance(found.protocol, VerificationProtocol)
            return found.protocol
    raise DataError(
        f"{shown(path)}: not a list of pairs with folds; give LFW's pairs.txt or a list of its form, "
        "FGLFW's, CPLFW's or CALFW's, or lines `name<TAB>name<TAB>0|1`"
    )
