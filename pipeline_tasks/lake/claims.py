"""What a lease's object says: its bytes in; who holds the lease, until when, and whether it is free, out."""

import json
from dataclasses import asdict, dataclass

from pipeline_tasks.lake import shapes


@dataclass(frozen=True)
class Claim:
    """What a lease's object says; `beat` counts signs of life. The clock and the place are for people alone."""

    what: str
    host: str
    process: int
    since: str
    expires_seconds: float
    nonce: str
    beat: int = 0
    released: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), sort_keys=True, indent=1, ensure_ascii=False).encode()

    def __str__(self) -> str:
        return f"{self.what} (process {self.process} on {self.host}, since {self.since})"


def is_free(found: bytes) -> bool:
    """Say whether the lease was given back."""
    claim = claim_of(found)
    return isinstance(claim, Claim) and claim.released


def expires(found: bytes, otherwise: float) -> float:
    """Return after how many seconds without a sign the holder is dead, as it said itself; `otherwise` if it cannot be read."""
    claim = claim_of(found)
    return claim.expires_seconds if isinstance(claim, Claim) else otherwise


def claim_of(found: bytes) -> Claim | str:
    """Return the claim, or words for one that cannot be read."""
    try:
        return shapes.parsed(Claim, found)
    except ValueError:
        # of another release of this program, or damaged: it expires like any other
        return "somebody whose claim cannot be read"
