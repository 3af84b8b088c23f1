"""Set-up, with a Python, a Java and Debian's packages that are scripts: what it installs, and when it gives up."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent
# answers for the system's interpreter and the environment's: `built` holds torch's version, `asked` what pip was asked for
PYTHON = """case "$*" in
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
  "-m pip show torch") [[ -f built ]] && echo "Version: $(cat built)" ;;
  "-m pip install "*torch==*) echo "${@: -1}" >>asked ;;
esac"""
CPU, CUDA = "torch==2.13.0+cpu", "torch==2.13.0,!=2.13.0+cpu"


class Machine:
    """A folder to set up in, with the commands that set-up finds; as root, whoever runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.command("bin/python3", PYTHON)
        self.command("bin/id", "echo 0")
        self.command("bin/apt-cache", "echo openjdk-17-jre-headless")
        self.command("bin/apt-get", "true")
        self.java("bin/java", 17)

    def command(self, name: str, script: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/usr/bin/env bash\n{script}\n")
        path.chmod(0o755)
        return path

    def java(self, name: str, version: int) -> Path:
        return self.command(name, f"echo 'openjdk version \"{version}.0.1\" 2025-01-01' >&2")

    def set_up(self, **environment: str) -> tuple[int, list[str]]:
        """Run set-up; return its exit code, and what it said line by line."""
        done = subprocess.run(
            ["bash", CHECKOUT / ".ci" / "setup", "python3", "venv"],
            cwd=self.folder,
            env={"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout.splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_java_that_does_not_fit_is_installed(machine: Machine) -> None:
    old, new = machine.java("bin/java", 11), machine.java("new", 17)
    machine.command("bin/apt-get", f'[[ "$*" != install* ]] || cp {new} {old}')
    code, said = machine.set_up()
    assert (code, said[-1]) == (0, "set-up: done")
    assert "set-up: Java 17 or 21 is missing (found: 11); installing openjdk-17-jre-headless" in said


def test_set_up_ends_where_another_java_still_goes_first(machine: Machine) -> None:
    java = machine.java("eleven/bin/java", 11)
    code, said = machine.set_up(JAVA_HOME=str(machine.folder / "eleven"))
    assert code == 1
    assert said[-1] == (
        f"set-up: openjdk-17-jre-headless is installed, and {java} is still 11: "
        "let JAVA_HOME name its folder in /usr/lib/jvm"
    )


@pytest.mark.parametrize(
    ("built", "chosen", "asked"),
    [
        ("", "", CPU),
        ("", "cuda", CUDA),
        ("2.13.0", "", ""),
        ("2.13.0+cpu", "", ""),
        ("2.13.0+cpu", "cuda", CUDA),
        ("2.13.0+cpu", "cpu", ""),
        ("2.13.0", "cuda", ""),
        ("2.13.0", "cpu", CPU),
        ("2.12.0+cpu", "", CPU),
    ],
)
def test_torch_is_what_was_chosen_and_stays_where_nobody_chooses(
    machine: Machine, built: str, chosen: str, asked: str
) -> None:
    if built:
        (machine.folder / "built").write_text(built)
    code, said = machine.set_up(TORCH=chosen)
    assert (code, said[-1]) == (0, "set-up: done")
    found = machine.folder / "asked"
    assert (found.read_text().strip() if found.exists() else "") == asked
    assert ("set-up: torch is there already: " + built in said) == (not asked)


def test_a_torch_of_another_name_is_refused(machine: Machine) -> None:
    assert machine.set_up(TORCH="gpu") == (1, ["set-up: TORCH is cpu or cuda, not gpu"])


@pytest.mark.parametrize(
    ("given", "runs"),
    [
        ([], []),
        (["TORCH=cuda"], ['EXTRAS="" TORCH="cuda"']),
        (["PIP_FIND_LINKS=wheels"], ['EXTRAS="" TORCH="cpu"']),
        (["PIP_FIND_LINKS=wheels", "TORCH=cuda"], ['EXTRAS="" TORCH="cuda"']),
        (["EXTRAS=text"], ['EXTRAS="text" TORCH=""']),
    ],
)
def test_what_is_chosen_later_is_heard(tmp_path: Path, given: list[str], runs: list[str]) -> None:
    for name in ("Makefile", "requirements.txt", ".ci/setup"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(CHECKOUT / name, tmp_path / name)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    command, alone = ["make", "-n", "setup", *given], {"PATH": os.environ["PATH"]}
    said = subprocess.run(command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=True).stdout
    assert [line.partition(" bash .ci/setup")[0] for line in said.splitlines() if "bash" in line] == runs
