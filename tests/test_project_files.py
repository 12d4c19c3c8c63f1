"""The project's own files agree with one another: versions, pins, what is checked before a commit and on GitHub."""

import importlib.util
import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import search_spaces
from pipeline import __version__

CHECKOUT = Path(__file__).parents[1]
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
MAKEFILE = (CHECKOUT / "Makefile").read_text()


def read_yaml(name: str) -> Any:
    return yaml.safe_load((CHECKOUT / name).read_text())


def recipe(target: str) -> list[str]:
    """The commands of a target of the Makefile, as programs with their arguments."""
    lines = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, flags=re.MULTILINE)
    assert lines is not None
    return [line.strip().removeprefix("@$(BIN)/") for line in lines[1].splitlines()]


def test_make_keeps_caches_in_the_clone_if_there_is_no_home_folder() -> None:
    command = ["make", "--no-print-directory", "--eval", "show: ; @echo $$HOME", "show"]
    without = {key: value for key, value in os.environ.items() if key != "HOME"}
    for environment, home in ((without, str(CHECKOUT / ".home")), ({**without, "HOME": "/some/home"}, "/some/home")):
        shown = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True)
        assert shown.stdout.strip() == home


def test_everything_the_project_depends_on_is_pinned_within_its_bounds() -> None:
    lines = [line for line in (CHECKOUT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(pin.name): pin for pin in map(Requirement, lines)}
    extras = PROJECT["optional-dependencies"]
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *extras["postgres"], *extras["dev"]]]
    assert len(wanted) > 30
    for requirement in wanted:
        (pin,) = pins[canonicalize_name(requirement.name)].specifier
        assert pin.operator == "==" and requirement.specifier.contains(pin.version), requirement


def test_the_version_is_that_of_the_citation_and_the_changelog() -> None:
    released = re.findall(
        r"^## \[(\d[^\]]*)\] - \d{4}-\d{2}-\d{2}$", (CHECKOUT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert read_yaml("CITATION.cff")["version"] == released[0] == __version__


def test_a_commit_is_checked_by_the_tools_of_make_lint() -> None:
    hooks = [hook for repository in read_yaml(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert {hook["language"] for hook in hooks} == {"system"}  # nothing is fetched
    tools = [hook["entry"].removeprefix(".venv/bin/") for hook in hooks]
    assert [re.sub(" --.*| [.]", "", tool) for tool in tools] == [re.sub(" --.*| [.]", "", c) for c in recipe("lint")]


@pytest.mark.parametrize("oldest", [PROJECT["requires-python"].removeprefix(">=")])
def test_github_runs_what_ci_runs_from_the_oldest_python_on(oldest: str) -> None:
    job = read_yaml(".github/workflows/test.yml")["jobs"]["test"]
    pythons = job["strategy"]["matrix"]["python"]
    assert pythons[0] == oldest and len(pythons) == 3
    commands = [step["run"] for step in job["steps"] if "run" in step]
    ours = (CHECKOUT / ".ci" / "run").read_text()
    made = re.findall("^make (?!install).*", ours, re.MULTILINE)
    assert [command for command in commands if command.startswith("make")] == made == ["make lint", "make test"]
    (installing,) = [command for command in commands if "apt-get install" in command]
    for package in ("chromium", "chromium-driver", "postgresql"):
        assert package in ours.split() and package in installing.split()


def test_the_family_of_the_guide_has_the_published_cost(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```", (CHECKOUT / "CONTRIBUTING.md").read_text(), re.MULTILINE | re.DOTALL)
    file = tmp_path / "mobilenet.py"
    file.write_text(code)
    specification = importlib.util.spec_from_file_location("search_spaces.mobilenet", file)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    for reference in module.REFERENCES.values():
        price = search_spaces.price(module.FAMILY, reference.config, reference.resolution)
        model = search_spaces.instantiate(module.FAMILY, reference.config, reference.resolution, device="meta")
        assert sum(p.numel() for p in model.parameters()) == reference.params == price.params
        assert price.macs == reference.macs
    published = search_spaces.price(module.FAMILY, module.REFERENCES["mobilenet"].config, 224, channels=3, classes=1000)
    assert (round(published.params / 1e6, 1), round(published.macs / 1e6)) == (4.2, 569)  # table 8 of the paper
