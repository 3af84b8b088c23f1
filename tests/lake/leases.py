"""How long those wait for a lease who ask for one here, and what its claims say."""

import json
from dataclasses import dataclass
from typing import Any

from pipeline_tasks.lake.store import Store


@dataclass(frozen=True)
class Terms:
    wait_seconds: float = 60
    expires_seconds: float = 60

    def wait_for(self, name: str) -> float:
        return self.wait_seconds


HASTY = Terms(wait_seconds=0.3)
# of holders that are to be found dead
EXPIRES = 0.5


def claims(store: Store) -> list[dict[str, Any]]:
    return [json.loads(store.read(key)) for key in store.keys("leases/nights/")]
