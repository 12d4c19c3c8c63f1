"""The repository keeps its own word: README's figures, verbs and file map, and what code may not do."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer.main

from pipeline.errors import UsageError
from pipeline.publishing.publish import publish, with_generated_parts
from pipeline.verbs.app import app
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]
README = (CHECKOUT / "README.md").read_text()
SOURCES = sorted(path for package in ("pipeline", "search_spaces") for path in (CHECKOUT / package).rglob("*.py"))


def test_the_readmes_figures_are_those_of_the_published_records() -> None:
    assert with_generated_parts(README, Workspace(CHECKOUT).published) == README


def typed_in_the_readme() -> dict[str, str]:
    """What its table of verbs says one may type, by verb; `a` · `b` in one row are two."""
    table = README.split("## The verbs")[1].split("\n## ")[0]
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    found: dict[str, str] = {}
    for usage in (usage for cell in cells for usage in re.findall(r"`([^`]+)`", cell)):
        verb, _, rest = usage.removeprefix("convstudy ").partition(" ")
        found[verb] = f"{found.get(verb, '')} {rest}"
    return found


def test_every_verb_is_in_the_readmes_table_and_every_usage_there_is_one_of_a_verb() -> None:
    verbs = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    typed = typed_in_the_readme()
    assert set(typed) == set(verbs)
    for verb, usage in typed.items():
        options = {option for parameter in verbs[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", usage)) <= options, verb
    assert set(re.findall(r"`convstudy ([a-z-]+)", README)) <= set(verbs)


MADE = ("data", "plans", "runs", "studies", "mlruns", "reports/results")
"""What a study writes, and git does not hold."""


def file_map() -> list[str]:
    """The paths of the README's file map, line by line; what is indented lies in the folder above it."""
    block = README.split("## File map")[1].split("```")[1]
    paths: list[str] = []
    folders: list[str] = []
    for indent, name in re.findall(r"^( {0,8})(\S+)", block, flags=re.MULTILINE):
        folders[len(indent) // 2 :] = [name.rstrip("/")]
        paths.append("/".join(folders))
        assert name.endswith("/") == ((CHECKOUT / paths[-1]).is_dir() or paths[-1] in MADE), name
    return paths


def packages(*roots: str) -> set[str]:
    """Each folder of code under some folders, themselves included."""
    return {str(path.parent.relative_to(CHECKOUT)) for root in roots for path in (CHECKOUT / root).rglob("__init__.py")}


def test_the_file_map_names_what_is_there_and_nothing_else() -> None:
    mapped = file_map()
    assert len(mapped) == len(set(mapped))
    assert [path for path in mapped if not (CHECKOUT / path).exists() and path not in MADE] == []
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    first = {path.split("/")[0] for path in tracked if (CHECKOUT / path).exists()}
    wanted = {name for name in first if not name.startswith(".") or name == ".github"}
    wanted |= packages(*LAYERED) | {f"pipeline/{path.name}" for path in (CHECKOUT / "pipeline").glob("[!_]*.py")}
    assert len(wanted) > 30
    assert wanted - {"pipeline"} - set(mapped) == set()


LINTER = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]
LAYERED = LINTER["root_packages"]
LAYERS = [
    [module.strip().replace(".", "/") for module in re.split(r"[|:]", layer)]
    for layer in next(contract for contract in LINTER["contracts"] if contract["type"] == "layers")["layers"]
]
"""From the top down; several of one height in a list."""


def test_every_package_and_module_of_the_pipeline_is_in_a_layer() -> None:
    layered = [module for layer in LAYERS for module in layer]
    found = {f"pipeline/{path.stem}" for path in (CHECKOUT / "pipeline").glob("[!_]*.py")}
    found |= {package for package in packages(*LAYERED) if package.startswith("pipeline/") and package.count("/") == 1}
    found |= {root for root in LAYERED if root != "pipeline"}
    assert sorted(layered) == sorted(found)


def test_the_file_map_stands_in_the_order_of_the_layers() -> None:
    height = {module: number for number, layer in enumerate(LAYERS) for module in layer}
    order = [height[path.removesuffix(".py")] for path in file_map() if path.removesuffix(".py") in height]
    assert order == sorted(order) and len(order) == len(height)


def test_pictures_and_links_of_the_readme_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (CHECKOUT / target).exists(), target


@pytest.mark.parametrize(
    "forbidden",
    [
        r"\bpickle\.loads?\(",
        r"weights_only *= *False",
        r"yaml\.load\(",
        r"shell *= *True",
        r"\.extractall\(",
        r"[^.\w]eval\(",
    ],
)
def test_nothing_loads_code_from_data(forbidden: str) -> None:
    found = [
        f"{path}: {line.strip()}"
        for path in SOURCES
        for line in path.read_text().splitlines()
        if re.search(forbidden, line)
    ]
    assert found == []


def test_test_data_are_opened_by_the_one_evaluation_alone() -> None:
    openers = [path for path in SOURCES if re.search(r"\bopen_test_data\(", path.read_text())]
    assert [str(path.relative_to(CHECKOUT)) for path in openers] == [
        "pipeline/data/arrays.py",
        "pipeline/running/scores.py",
    ]


def test_publishing_without_results_leaves_what_is_published(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    published = tmp_path / "reports" / "published" / "quick" / "runs" / "lenet.json"
    published.parent.mkdir(parents=True)
    published.write_text("{}")
    with pytest.raises(UsageError, match="holds no results to publish"):
        publish(workspace, "quick")
    assert published.read_text() == "{}"
