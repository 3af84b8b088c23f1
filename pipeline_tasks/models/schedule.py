"""How long a training run may go on, and how far it is: epochs, losses and qualities in, a line for people out."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Schedule:
    """How long and how fast: at most `epochs`, until `patience` of them bring nothing better."""

    epochs: int
    patience: int
    learning_rate: float
    weight_decay: float
    waits_as_long: bool = False
    """Whether as many epochs as the best took are waited for, if these are more: what learns slowly gets its time, and
    where a validation of few users goes up and down by chance the end comes soon."""
    warmup_steps: int = 50
    """Steps in which the learning rate rises to its value."""
    section: str = "train"
    """The settings that it is of, for messages."""
    less_memory: str = "lower train.batch_events or train.full_softmax_items"
    """What to change where memory runs out."""

    def rate(self, step: int) -> float:
        """Return the learning rate of a step, from 1."""
        return self.learning_rate * min(1.0, step / max(1, self.warmup_steps))


@dataclass
class Progress:
    """How far a run is, and how it went: a loss and a quality an epoch."""

    epoch: int = 0
    steps: int = 0
    best_epoch: int = 0
    best_quality: float | None = None
    losses: list[float] = field(default_factory=list)
    qualities: list[float | None] = field(default_factory=list)

    def done(self, schedule: Schedule) -> bool:
        """Say whether there is nothing left to do."""
        return self.epoch >= self._last(schedule)

    def _last(self, schedule: Schedule) -> int:
        """Return the epoch that ends the run if none is better than the best so far."""
        waited = max(schedule.patience, self.best_epoch) if schedule.waits_as_long else schedule.patience
        return min(schedule.epochs, self.best_epoch + waited)

    def judge(self, quality: float | None) -> bool:
        """Take in the epoch's quality, None where there is none; return whether the epoch is the best so far."""
        self.qualities.append(quality)
        better = quality is None or self.best_quality is None or quality > self.best_quality
        if better:
            self.best_quality, self.best_epoch = quality, self.epoch
        return better

    def line(self, schedule: Schedule, events: int, seconds: float) -> str:
        """Return a line on the last epoch, in which `events` were seen in `seconds`."""
        left = self._last(schedule) - self.epoch
        quality = self.qualities[-1]
        validation = (
            f", validation {quality:.4f} (best {self.best_quality:.4f})" if quality is not None else ""
        )
        return (
            f"epoch {self.epoch}/{schedule.epochs}: loss {self.losses[-1]:.4f}{validation}, "
            f"{events / max(seconds, 1e-9):,.0f} events/s, at least {left * seconds:.0f} s left"
        )
