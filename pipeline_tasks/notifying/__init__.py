"""Who is told of a night: what the lake says of it in, one message by webhook and mail out."""

from typing import Literal

# the scheduler says that its run failed, or that the deadline has passed; or somebody asks how the night ended
Event = Literal["failed", "late", "ended"]
