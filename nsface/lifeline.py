"""The lifeline of processes that work together: all learn that one of them has ended, or hangs.

Every rank has a connection with the first one. When a process ends, however that happens, the system closes
its connection. Each rank also sends a sign of life every second, with the step that it has done. The first
rank draws the conclusions and tells the others; they watch the first one. A rank that waits for another, in a
call that nothing can interrupt, is ended by its lifeline.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
import time
from dataclasses import dataclass

from nsface.errors import NsfaceError
from nsface.meeting import Peer
from nsface.processes import end_at_once

BEAT = 1.0  # seconds between two signs of life
# seconds without one, after which a rank is taken for dead, or half of the limit of a step if that is less
SILENCE = 60.0
STEP_LIMIT = 1800.0  # seconds in which the next step must be done, unless NSFACE_RANK_TIMEOUT says otherwise
PATIENCE = 5.0  # seconds that a rank has to end by itself after another has ended
_ASLEEP = 5 * BEAT  # who has not woken for so long cannot judge others
_open_until_the_end: list[Lifeline] = []  # those of a rank that has failed: the system closes them


@dataclass(frozen=True)
class Fault:
    """Why all ranks must end.

    Attributes:
        rank: the rank that has ended or hangs; None: it is not known which one hangs.
        what: what has become of it, or of all, to be said; empty where the rank says so itself.
        told: whether the first rank has told this one.
    """

    rank: int | None
    what: str
    told: bool = False


class Lifeline:
    """Watches the other ranks in a thread, from its creation to `leave` or `fail`.

    Args:
        rank, count: the number of this rank, and how many there are.
        peers: the other ranks by number, where this is the first; else the first alone.
        speaks_for_machine: whether this rank says that the first one has ended.
        remedy: what the user should do when a rank has ended; the end of the message.
        step_limit: seconds in which a step must follow the one before, once all ranks have done one.

    Attributes:
        fault: why all must end, once that is known.
    """

    def __init__(
        self,
        rank: int,
        count: int,
        peers: dict[int, Peer],
        speaks_for_machine: bool,
        remedy: str,
        step_limit: float,
    ) -> None:
        self.rank, self.count = rank, count
        self.fault: Fault | None = None
        self._peers, self._remedy = peers, remedy
        self._speaks_for_machine = speaks_for_machine
        self._step_limit, self._silence = step_limit, min(SILENCE, step_limit / 2)
        self._own = Peer(None)
        self._known, self._parted, self._gone = threading.Event(), threading.Event(), threading.Event()
        self._stopping = False
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._watch, name="lifeline", daemon=True)
        self._thread.start()

    def done(self, step: int | None) -> None:
        """Note that this rank has done `step`, which the next one must follow in time; None: none follows."""
        self._own.note(step, time.monotonic())

    def known(self, seconds: float) -> bool:
        """Whether a fault is known now, or within so many seconds."""
        return self._known.wait(seconds)

    def leave(self) -> None:
        """Part from the other ranks: return when all have called this, or cannot be waited for any longer."""
        if self.rank > 0:
            self._send("end")
        self._parted.wait(2 * PATIENCE)
        if self.rank == 0:
            self._send("end")
        self._stop()
        for peer in self._peers.values():
            peer.close()

    def fail(self) -> None:
        """Tell the other ranks that this one ends, and says why itself. The connections stay until it has."""
        self._send("fail")
        self._stop()
        _open_until_the_end.append(self)

    def follow(self) -> None:
        """Return when the rank that failed before this one has ended, so that it had time to say why."""
        self._known.wait(PATIENCE)
        self._stop()
        fault = self.fault
        if fault is not None and fault.rank is not None and not fault.what:
            self._peers[fault.rank if self.rank == 0 else 0].wait_until_closed(PATIENCE)

    def _stop(self) -> None:
        self._stopping = True
        self._gone.set()
        self._wake.send(b".")
        self._thread.join()
        self._wake.close()
        self._woken.close()

    def _send(self, line: str) -> None:
        for peer in self._peers.values():
            peer.send(line)

    def _watch(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._woken, selectors.EVENT_READ)
            for number, peer in self._peers.items():
                peer.heard = time.monotonic()
                selector.register(peer, selectors.EVENT_READ, number)
            sent = woken = 0.0
            while not self._stopping and self.fault is None:
                ready = [key.data for key, _ in selector.select(BEAT) if key.data is not None]
                before, woken = woken or time.monotonic(), time.monotonic()
                for number in ready:
                    self._read(number, woken, selector)
                if woken - before > _ASLEEP:
                    for peer in (self._own, *self._peers.values()):
                        peer.heard = peer.progressed = woken
                if woken - sent >= BEAT:  # what comes must not be answered: that would never end
                    self._send("-" if self._own.step is None else str(self._own.step))
                    sent = woken
                    self.fault = self.fault or self._silent(woken) or self._stuck(woken)
        if self.fault is not None and not self._stopping:
            self._end(self.fault)

    def _read(self, number: int, now: float, selector: selectors.BaseSelector) -> None:
        """Take what a peer has sent, or that it has closed the connection."""
        peer = self._peers[number]
        for line in peer.lines():
            word, _, rest = line.partition(" ")
            if word == "end":
                peer.ended = True
            elif word == "fail":
                self.fault = self.fault or Fault(number, "")
            elif word == "gone":
                which, _, what = rest.partition(" ")
                self.fault = self.fault or Fault(None if which == "-" else int(which), what, told=True)
            else:
                peer.note(None if word == "-" else int(word), now)
        if peer.closed:
            selector.unregister(peer)
            if not peer.ended:
                what = f"rank {number} of {self.count} has ended, killed or out of memory"
                self.fault = self.fault or Fault(number, what)
        if all(peer.ended or peer.closed for peer in self._peers.values()):
            self._parted.set()

    def _silent(self, now: float) -> Fault | None:
        for number, peer in self._peers.items():
            if not peer.ended and now - peer.heard > self._silence:
                what = f"rank {number} of {self.count} has given no sign of life for {self._silence:g} s"
                return Fault(number, what)
        return None

    def _stuck(self, now: float) -> Fault | None:
        """The last of the ranks, all of which have begun to take steps, where none goes on."""
        everyone = {self.rank: self._own} | self._peers
        steps = {number: peer.step for number, peer in everyone.items() if peer.step is not None}
        newest = max(peer.progressed for peer in everyone.values())
        if self.rank > 0 or len(steps) < self.count or now - newest <= self._step_limit:
            return None
        first, last = max(steps.values()), min(steps, key=lambda number: steps[number])
        if steps[last] == first:
            return Fault(None, f"no rank has done a step after step {first} in {self._step_limit:g} s")
        what = f"rank {last} of {self.count} has done no step after step {steps[last]}"
        return Fault(last, f"{what} in {self._step_limit:g} s, and the others wait for it")

    def _end(self, fault: Fault) -> None:
        """Say what is known, and end this process if it does not end by itself."""
        if fault.what and not fault.told and (self.rank == 0 or self._speaks_for_machine):
            text = f"nsface: {fault.what}; {self._remedy}\n"
            os.write(2, f"{chr(10) * sys.stderr.isatty()}{text}".encode())  # after a bar, which has no end
        if self.rank == 0:
            self._send(f"gone {'-' if fault.rank is None else fault.rank} {fault.what}")
        self._known.set()
        if not self._gone.wait(PATIENCE):
            end_at_once(1)


def step_limit() -> float:
    """The seconds in which a step must follow another: NSFACE_RANK_TIMEOUT, or `STEP_LIMIT`.

    Raises:
        NsfaceError: the variable is no number above 0.
    """
    text = os.environ.get("NSFACE_RANK_TIMEOUT", str(STEP_LIMIT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not seconds > 0:
        raise NsfaceError(f"NSFACE_RANK_TIMEOUT: {text!r} is no number of seconds above 0")
    return seconds
