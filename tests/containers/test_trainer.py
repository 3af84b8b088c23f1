"""What is in the training image: the stages, the lock's versions, nothing heavy, nobody's rights or files."""

import json
from importlib.metadata import version

import pytest

from tests.containers.conftest import docker
from tests.test_architecture import HEAVY, LIGHT

pytestmark = pytest.mark.timeout(1800)  # the first build downloads packages


def inside(image: str, program: str, *arguments: str) -> str:
    return docker("run", "--rm", "--network=host", "--entrypoint", program, image, *arguments).stdout


def test_the_image_runs_the_command_line(image: str) -> None:
    shown = json.loads(docker("run", "--rm", "--network=host", image, "settings").stdout)
    assert shown["train"]["launcher"] == "process"
    assert set(shown["sources"]) == {"shop", "movielens"}


def test_it_runs_as_a_numbered_user_who_is_not_root(image: str) -> None:
    configured = docker("image", "inspect", "--format", "{{.Config.User}}", image).stdout.strip()
    assert inside(image, "id", "-u").strip() == configured.partition(":")[0]
    assert int(configured.partition(":")[0]) > 0


def test_it_has_what_the_stages_import_and_nothing_heavy(image: str) -> None:
    code = f"import importlib.util as u; print([name for name in {(*HEAVY, *LIGHT)!r} if u.find_spec(name)])"
    assert inside(image, "python", "-c", code).strip() == repr([*LIGHT])


def test_it_can_start_several_processes(image: str) -> None:
    assert "--nproc-per-node" in inside(image, "torchrun", "--help")


def test_its_versions_are_those_of_this_environment(image: str) -> None:
    code = "import json, importlib.metadata as m; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    theirs = json.loads(inside(image, "python", "-c", code))
    for name in ("torch", "numpy", "pyarrow", "safetensors", "boto3", "pydantic", "pydantic-settings"):
        found = theirs.get(name) or theirs[name.replace("-", "_")]
        assert found.partition("+")[0] == version(name).partition("+")[0], name


def test_nothing_of_the_checkout_but_code_and_settings_is_in_it(image: str) -> None:
    assert inside(image, "ls", "-A", "/app").split() == ["nightjar.toml", "pipeline_tasks"]
    assert inside(image, "ls", "-A", "/tmp") == ""
