"""Protocols: official lists in, trials out, metrics called, results returned. No torch here.

`PROTOCOLS` is the table by which the `eval-*` commands, `compare`, the report and `nsface.evaluate` go.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nsface.errors import NsfaceError

if TYPE_CHECKING:
    from nsface.protocols.protocol import Protocol


@dataclass(frozen=True)
class Entry:
    """A protocol in the table.

    Attributes:
        module, cls: where its class is.
        summary: what its command does, in a line.
    """

    module: str
    cls: str
    summary: str

    def load(self) -> type[Protocol[Any, Any]]:
        """Import the protocol, a class whose fields are its lists and options."""
        found: type[Protocol[Any, Any]] = getattr(import_module(self.module), self.cls)
        return found


PROTOCOLS = {
    "lfw": Entry("nsface.protocols.lfw", "Lfw", "Score embeddings on LFW verification."),
    "fglfw": Entry(
        "nsface.protocols.fglfw", "Fglfw", "Score embeddings on FGLFW, LFW with look-alike impostors."
    ),
    "ytf": Entry("nsface.protocols.ytf", "Ytf", "Score embeddings of video frames on YouTube Faces."),
    "ident": Entry(
        "nsface.protocols.ident", "Ident", "Score embeddings on closed- and open-set identification."
    ),
    "blufr": Entry("nsface.protocols.blufr", "Blufr", "Score embeddings on BLUFR's ten trials."),
    "bin": Entry("nsface.protocols.bin_file", "Bin", "Score a model on InsightFace verification sets."),
    "ijb": Entry("nsface.protocols.ijb", "Ijb", "Score embeddings on IJB-B or IJB-C templates."),
    "pairs": Entry("nsface.protocols.pairs", "Pairs", "Score embeddings on your own list of pairs."),
}


def load_protocol(name: str) -> type[Protocol[Any, Any]]:
    """The protocol called `name`.

    Raises:
        NsfaceError: there is none of that name.
    """
    if name not in PROTOCOLS:
        from nsface.arguments import unknown_name  # here, because it imports pydantic, which --help does not

        raise NsfaceError(unknown_name("protocol", name, PROTOCOLS))
    return PROTOCOLS[name].load()
