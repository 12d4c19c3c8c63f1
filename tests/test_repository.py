"""The repository keeps its own word: README's figures, verbs and file map, and what code may not do."""

import re
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


def test_every_verb_in_the_readme_exists_and_every_verb_is_in_the_readme() -> None:
    verbs = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
    told = {name for name in verbs if re.search(rf"[`·] *`?(convstudy )?{name}\b", README)}
    assert told == verbs
    assert set(re.findall(r"`convstudy ([a-z-]+)", README)) <= verbs


def test_everything_in_the_readmes_file_map_exists() -> None:
    block = README.split("## File map")[1].split("```")[1]
    for name in re.findall(r"^(\S+)", block, flags=re.MULTILINE):
        assert (CHECKOUT / name).exists() or name in ("runs/", "studies/"), name


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
