"""A line now and then about long work: how much is done, how fast, and how long it will still take."""

import sys
import time
from collections.abc import Callable

SECONDS_BETWEEN = 10.0


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


class Progress:
    """Counts `total` things of one kind; says a line at most every SECONDS_BETWEEN, none about short work."""

    def __init__(
        self,
        doing: str,
        total: int,
        things: str,
        say: Callable[[str], None] = _to_stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.doing, self.total, self.things = doing, total, things
        self._say, self._clock, self._done = say, clock, 0
        self._begun = self._said = clock()

    def add(self, count: int) -> None:
        """Count what has been done since the last call."""
        self._done += count
        now = self._clock()
        if now - self._said < SECONDS_BETWEEN or not self._done:
            return
        self._said = now
        speed = self._done / (now - self._begun)
        self._say(
            f"{self.doing}: {self._done:,} of {self.total:,} {self.things}, {speed:,.0f} {self.things}/s, "
            f"{(self.total - self._done) / speed:,.0f} s left"
        )
