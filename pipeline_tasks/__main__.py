"""The command line: a command a stage, and the few that people need. It imports one of them only."""

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

from pipeline_tasks import launching, settings
from pipeline_tasks.commands import COMMANDS
from pipeline_tasks.commands.nights import add_run_date, night_to_run
from pipeline_tasks.errors import NightjarError, Refused
from pipeline_tasks.interruption import ASKING, leave
from pipeline_tasks.lake.records import STAGES


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit 0 done, 2 refused for a reason that a retry cannot cure, 99 nothing to do, 130 by Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(given)
    except NightjarError as error:
        print(f"{given[0]}: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"{given[0]}: interrupted", file=sys.stderr)
        return 130


def _leave_when_asked() -> None:
    """Let what asks this process to end do so as Ctrl-C does: what it holds in the lake is given back.

    One of several processes ends at once, as it may be waiting for one that has died; an Airflow ends by itself.
    """
    if launching.count() == 1 and sys.argv[1:2] != ["airflow"]:
        for number in ASKING:
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores the latter
                signal.signal(number, leave)


def _run(given: list[str]) -> int:
    if given[:1] == ["airflow"]:  # its own options are Airflow's
        from pipeline_tasks.airflow_home import run_airflow

        return run_airflow(given[1:])
    options = _parser().parse_args(given)
    _require_text(given)
    loaded = settings.load()
    if options.command in STAGES:
        from pipeline_tasks.running import run_stage

        return run_stage(loaded, options.command, night_to_run(options.run_date))
    code: int = _command(options.command).run(loaded, options)
    return code


def _require_text(given: list[str]) -> None:
    """Raise Refused for what a terminal of another encoding than UTF-8 gave: it could not be kept in the lake."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("NIGHTJAR_")}
    for place, text in [*(("the command line", each) for each in given), *ours.items()]:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Refused(f"{place} holds what is not UTF-8: {text!r}", "write it in UTF-8") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline_tasks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for stage in STAGES:
        add_run_date(commands.add_parser(stage, help=f"run the stage {stage} for one night"))
    for name in COMMANDS:
        command = _command(name)
        command.add_arguments(commands.add_parser(name, help=command.HELP, description=command.__doc__))
    commands.add_parser("airflow", help="run an Airflow command in the project's own home")
    return parser


def _command(name: str) -> ModuleType:
    return importlib.import_module(f"pipeline_tasks.commands.{name}")


if __name__ == "__main__":
    _leave_when_asked()
    sys.exit(main())
