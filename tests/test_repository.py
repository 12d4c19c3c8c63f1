"""The repository keeps its own word: the pages' figures, commands, links and file map, and what code may not do."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import typer.main

import search_spaces
from benchmarks import NAMES as BENCHMARKS
from pipeline.data.sources import NAMED
from pipeline.errors import UsageError
from pipeline.publishing.pages import generated_parts, pages_of, with_generated_parts
from pipeline.publishing.publish import publish
from pipeline.verbs.app import GROUPS, app, name_of
from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[1]
PAGES = [*pages_of(CHECKOUT), CHECKOUT / "CONTRIBUTING.md"]
SOURCES = sorted(path for package in ("pipeline", "search_spaces") for path in (CHECKOUT / package).rglob("*.py"))


def test_the_pages_figures_commands_and_schemas_are_those_of_records_and_code() -> None:
    pages = {page: page.read_text() for page in pages_of(CHECKOUT)}
    assert with_generated_parts(pages, generated_parts(Workspace(CHECKOUT).published)) == pages


def test_a_generated_part_stands_on_one_page() -> None:
    page, mark = Path("page.md"), "<!-- generated: a -->\nold\n<!-- end -->"
    assert with_generated_parts({page: mark}, {"a": "new"}) == {page: mark.replace("old", "new")}
    for text, parts in ((mark + mark, {"a": "new"}), ("", {"a": "new"}), (mark, {})):
        with pytest.raises(UsageError, match="must exist and be on exactly one page"):
            with_generated_parts({page: text}, parts)


def test_the_readme_is_short() -> None:
    assert len((CHECKOUT / "README.md").read_bytes()) < 10_240


VERBS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


def refused_options(usage: str) -> set[str]:
    """Options of a command line that its verb does not have; all of it for an unknown verb."""
    verb, *words = usage.removeprefix("convstudy ").split()
    if verb not in VERBS:
        return {verb}
    options = {option for parameter in VERBS[verb].params for option in (*parameter.opts, *parameter.secondary_opts)}
    return {word for word in words if word.startswith("--")} - options


def test_every_verb_has_two_examples_that_it_understands_and_is_in_a_group() -> None:
    functions = [function for group in GROUPS.values() for function in group]
    assert sorted(map(name_of, functions)) == sorted(VERBS)
    for function in functions:
        examples = function.examples  # type: ignore[attr-defined]
        assert len(set(examples)) == 2 and {example.split()[1] for example in examples} == {name_of(function)}
        assert set().union(*map(refused_options, examples)) == set(), examples
        assert VERBS[name_of(function)].epilog.endswith(f"  {examples[0]}\n  {examples[1]}")


@pytest.mark.parametrize(
    ("verb", "names"), [("search", search_spaces.names()), ("prepare", tuple(NAMED)), ("bench", BENCHMARKS)]
)
def test_the_help_lists_the_names_that_a_verb_takes(verb: str, names: tuple[str, ...]) -> None:
    (argument,) = [parameter for parameter in VERBS[verb].params if parameter.param_type_name == "argument"]
    assert set(names) <= set(re.findall(r"[a-z0-9_-]+", argument.help))


def test_every_command_in_the_pages_is_one_of_a_verb() -> None:
    command = re.compile(r"(?:^|`|&& )(convstudy [a-z-]+[^`\n#&]*)", re.MULTILINE)
    typed = [usage for page in PAGES for usage in command.findall(page.read_text())]
    assert len(typed) > 40
    for usage in typed:
        assert refused_options(usage) == set(), usage


MADE = ("data", "plans", "runs", "studies", "mlruns", "reports/results")
"""What a study writes, and git does not hold."""


def file_map() -> list[str]:
    """The paths of the file map, line by line; what is indented lies in the folder above it."""
    block = (CHECKOUT / "docs" / "architecture.md").read_text().split("## File map")[1].split("```")[1]
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


def anchors(page: Path) -> set[str]:
    """What a link may name of a page, as GitHub makes it of headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_pictures_and_links_of_the_pages_exist() -> None:
    links = [(page, target) for page in PAGES for target in re.findall(r"\]\(([^)]+)\)", page.read_text())]
    assert len(links) > 20
    for page, target in links:
        if "://" in target:
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.exists(), (page, target)
        assert not anchor or anchor in anchors(path), (page, target)


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
    with pytest.raises(UsageError, match=r"nothing to publish: .* has no REPORT\.md"):
        publish(workspace, "quick")
    assert published.read_text() == "{}"
