"""How processes that work together connect with the first one, and what they say to each other: lines."""

from __future__ import annotations

import secrets
import select
import socket
import time
from contextlib import suppress
from typing import Protocol

from nsface.errors import NsfaceError, listing

SECONDS_TO_MEET = 600.0  # in which all ranks must have started
_KEY = "nsface/meeting"
_RETRY = 0.2  # seconds
_ANSWER = 10.0  # seconds in which the other end of a new connection must answer


class Store(Protocol):
    """What the ranks share before they are connected, such as PyTorch's `TCPStore`."""

    def set(self, key: str, value: str) -> object:
        """Write a value."""

    def get(self, key: str) -> bytes:
        """The value, as soon as it is there."""


class Peer:
    """Another rank, with what is known of it; without a connection, this rank itself.

    Attributes:
        step: the last step that it has done; None while steps are not counted.
        progressed: when it did that.
        heard: when it last gave a sign of life.
        ended: whether it has said that its work is done.
        closed: whether its connection is closed.
    """

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection, self._rest = connection, b""
        self.step: int | None = None
        self.progressed = self.heard = time.monotonic()
        self.ended = self.closed = False
        if connection is not None:
            connection.setblocking(False)

    def fileno(self) -> int:
        return -1 if self._connection is None else self._connection.fileno()

    def note(self, step: int | None, now: float) -> None:
        """Note a sign of life, after `step`."""
        self.heard = now
        if step != self.step:
            self.step, self.progressed = step, now

    def send(self, line: str) -> None:
        """Send a line, unless the connection is closed, or full because nobody reads."""
        if self._connection is not None and not self.closed:
            with suppress(OSError):
                self._connection.send(f"{line}\n".encode())

    def lines(self) -> list[str]:
        """The lines that have come."""
        data = b""
        if self._connection is not None:
            try:
                data = self._connection.recv(4096)
                self.closed = not data
            except BlockingIOError:
                return []
            except OSError:
                self.closed = True
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [line.decode() for line in lines]

    def wait_until_closed(self, seconds: float) -> None:
        """Return when the other end has closed the connection, or after so many seconds."""
        until = time.monotonic() + seconds
        while not self.closed and (left := until - time.monotonic()) > 0:
            if select.select([self], [], [], left)[0]:
                self.lines()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self.closed = True


def meet(store: Store, rank: int, count: int, host: str) -> tuple[dict[int, Peer], str]:
    """Connect all ranks with the first one, at `host`.

    Returns:
        The ranks that this one is connected with, by number, and a name of this meeting that is the same on
        all ranks: the store may still have the values of a former one.

    Raises:
        NsfaceError: some have not come within `SECONDS_TO_MEET`, or the first rank cannot be reached.
    """
    until = time.monotonic() + SECONDS_TO_MEET
    return _receive(store, count, until) if rank == 0 else _visit(store, rank, host, until)


def _receive(store: Store, count: int, until: float) -> tuple[dict[int, Peer], str]:
    peers: dict[int, Peer] = {}
    name = secrets.token_hex(8)
    both = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("", 0), family=family, backlog=count, dualstack_ipv6=both) as server:
        store.set(_KEY, f"{server.getsockname()[1]} {name}")
        while len(peers) < count - 1:
            server.settimeout(max(until - time.monotonic(), 0.01))
            try:
                connection = server.accept()[0]
            except TimeoutError as error:
                missing = [str(other) for other in range(1, count) if other not in peers]
                raise NsfaceError(
                    f"rank {listing(missing)} of {count} has not come within {SECONDS_TO_MEET:g} s; start "
                    "all ranks at the same time, with the same number of ranks and the same first machine"
                ) from error
            connection.settimeout(_ANSWER)
            with suppress(OSError, ValueError):
                said, number = _line(connection).split()
                if secrets.compare_digest(said, name) and 0 < int(number) < count:
                    connection.sendall(b"welcome\n")
                    peers[int(number)] = Peer(connection)
                    continue
            connection.close()
    return peers, name


def _visit(store: Store, rank: int, host: str, until: float) -> tuple[dict[int, Peer], str]:
    while True:
        port, name = store.get(_KEY).decode().split()
        connection = None
        try:
            connection = socket.create_connection((host, int(port)), timeout=_ANSWER)
            connection.sendall(f"{name} {rank}\n".encode())
            if _line(connection) == "welcome":
                return {0: Peer(connection)}, name
            reason: object = "it is no rank of this work"
        except OSError as error:
            reason = error
        if connection is not None:
            connection.close()
        if time.monotonic() > until:
            raise NsfaceError(
                f"rank {rank} cannot reach the first rank at {host}, port {port}: {reason}; let the machines "
                "connect with each other on all ports"
            )
        time.sleep(_RETRY)


def _line(connection: socket.socket) -> str:
    """A line of at most 100 bytes; empty where the connection is closed before its end."""
    said = b""
    while not said.endswith(b"\n") and len(said) < 100:
        if not (byte := connection.recv(1)):
            return ""
        said += byte
    return said.decode("ascii", "backslashreplace").strip()
