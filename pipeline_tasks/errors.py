"""How a stage ends when it does not simply finish: each way has the exit code that the scheduler reads."""


class NightjarError(Exception):
    """A failure with a reason for people: what, where, what was found; `hint` says what to do next.

    Anything that a retry might cure (a store that does not answer, a full disk) is raised as this class.
    """

    exit_code = 1

    def __init__(self, reason: str, hint: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.reason} ({self.hint})" if self.hint else self.reason


class Refused(NightjarError):
    """The input, the settings or the data are wrong: running again without a change ends the same way."""

    exit_code = 2


class NothingToDo(NightjarError):
    """There is no work for this stage tonight; the scheduler shows it as skipped."""

    exit_code = 99
