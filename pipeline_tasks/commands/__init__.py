"""What people type: a module a command, each with HELP, `add_arguments` and `run`; nothing heavy until it runs."""

COMMANDS = (
    "nightly",
    "tune",
    "versions",
    "verify",
    "diff",
    "release",
    "rollback",
    "retention",
    "doctor",
    "notify",
    "settings",
    "sample",
)
