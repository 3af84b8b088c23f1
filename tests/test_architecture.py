"""Who may import whom: the lines that keep the container light and the domain free of infrastructure."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / "pipeline_tasks"
DAGS = PACKAGE.parent / "dags"
HEAVY = (
    "airflow",
    "pyspark",
    "feast",
    "great_expectations",
    "pandas",
    "sklearn",
    "skimage",
    "duckdb",
    "implicit",
    "scipy",
)
LIGHT = ("numpy", "pyarrow", "torch", "safetensors", "boto3", "botocore", "pydantic", "pydantic_settings")
# these are imported inside the function that fits, which refuses where they are missing
FITTED_BY = {"models/als.py": {"implicit", "scipy", "threadpoolctl"}}


def imports(path: Path, *, everywhere: bool = True) -> Iterator[str]:
    """Yield the modules that a file imports; with `everywhere` false, only those at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{name.name}" for name in node.names)


def imported(part: str) -> set[tuple[str, str]]:
    """Return (file, module) pairs of a folder or file of the package."""
    target = PACKAGE / part
    files = [target] if target.is_file() else sorted(target.rglob("*.py"))
    assert files, f"{part} is empty"
    return {(str(path.relative_to(PACKAGE)), module) for path in files for module in imports(path)}


def ours(part: str, *allowed: str) -> list[tuple[str, str]]:
    """Return imports of our package from `part` beyond itself and `allowed`."""
    fine = tuple(f"pipeline_tasks.{name}" for name in (part.removesuffix(".py"), *allowed))
    return [
        pair
        for pair in imported(part)
        if pair[1].startswith("pipeline_tasks.") and not pair[1].startswith(fine)
    ]


@pytest.mark.parametrize("part", ["contracts.py", "errors.py"])
def test_the_ground_imports_nothing_of_ours(part: str) -> None:
    assert ours(part) == []


@pytest.mark.parametrize("part", ["models", "ranking", "evaluation"])
def test_the_domain_knows_only_numpy_pyarrow_and_torch(part: str) -> None:
    assert ours(part, "models", "ranking", "evaluation", "errors", "contracts") == []
    known = {*sys.stdlib_module_names, "numpy", "pyarrow", "torch", "pipeline_tasks", "safetensors"}
    strange = [pair for pair in imported(part) if pair[1].split(".")[0] not in known]
    assert [pair for pair in strange if pair[0] not in FITTED_BY] == []


def test_libraries_that_fit_a_model_are_imported_when_it_is_fitted() -> None:
    for file, libraries in FITTED_BY.items():
        assert not {name.split(".")[0] for name in imports(PACKAGE / file, everywhere=False)} & libraries
        known = {*sys.stdlib_module_names, "numpy", "torch", "pipeline_tasks", *libraries}
        assert {name.split(".")[0] for name in imports(PACKAGE / file)} <= known


@pytest.mark.parametrize("part", ["spark", "quality"])
def test_spark_and_quality_never_meet_torch(part: str) -> None:
    assert [pair for pair in imported(part) if pair[1].split(".")[0] == "torch"] == []


def test_encoders_know_no_spark_and_none_of_ours_but_errors() -> None:
    assert ours("encoders", "errors") == []
    assert [pair for pair in imported("encoders") if pair[1].split(".")[0] == "pyspark"] == []


def test_nothing_imports_stages_but_the_command_line() -> None:
    found = [
        path.name
        for path in PACKAGE.rglob("*.py")
        if "stages" not in path.parts
        for module in imports(path)
        if module.startswith("pipeline_tasks.stages")
    ]
    assert found == []


def test_files_of_dags_only_wire() -> None:
    """They may use Airflow, each other, the settings and what is named here, inside functions too."""
    allowed = {
        *(path.stem for path in DAGS.glob("*.py")),
        *("airflow", "docker.types", "kubernetes.client", "pipeline_tasks.settings"),
        *("pipeline_tasks.lake.records.STAGES", "pipeline_tasks.notifying.callbacks"),
        "pipeline_tasks.reader.open_current",
    }
    found = {(path.name, module) for path in DAGS.glob("*.py") for module in imports(path)}
    assert [
        pair
        for pair in sorted(found)
        if pair[1].split(".")[0] not in sys.stdlib_module_names
        and not any(f"{pair[1]}.".startswith(f"{name}.") for name in allowed)
    ] == []


def test_the_reader_needs_pyarrow_and_boto3_alone() -> None:
    blocked = (*HEAVY, "torch", "numpy", "pydantic", "pydantic_settings", "safetensors")
    modules = ", ".join(f"pipeline_tasks.{name}" for name in ("reader", "lake.s3", "lake.local"))
    done = run_blocking(blocked, f"import {modules}")
    assert done.returncode == 0, done.stderr


def test_the_container_is_light() -> None:
    modules = ", ".join(f"pipeline_tasks.stages.{stage}" for stage in ("train", "evaluate", "recommend"))
    started = "pipeline_tasks.running, pipeline_tasks.__main__, torch.distributed.run"
    done = run_blocking(HEAVY, f"import {started}, {modules}")
    assert done.returncode == 0, done.stderr


def test_the_report_is_drawn_without_spark_and_torch() -> None:
    blocked = [name for name in (*HEAVY, "torch") if name != "duckdb"]
    done = run_blocking(tuple(blocked), "import pipeline_tasks.stages.report")
    assert done.returncode == 0, done.stderr


def test_the_command_line_imports_no_stage_before_it_is_asked() -> None:
    assert run_blocking((*HEAVY, "torch", "boto3"), "import pipeline_tasks.__main__").returncode == 0


def run_blocking(blocked: tuple[str, ...], code: str) -> "subprocess.CompletedProcess[str]":
    """Run code in a fresh interpreter in which importing any of `blocked` fails."""
    guard = (
        "import sys, importlib.abc\n"
        "class Guard(importlib.abc.MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {blocked!r}: raise ImportError('blocked: ' + name)\n"
        "sys.meta_path.insert(0, Guard())\n"
    )
    return subprocess.run(
        [sys.executable, "-c", guard + code], cwd=PACKAGE.parent, capture_output=True, text=True, check=False
    )
