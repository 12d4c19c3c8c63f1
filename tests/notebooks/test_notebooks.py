"""The notebooks run from the first cell to the last on real data. They are stored without outputs."""

import tomllib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

from pipeline.workspace import Workspace

CHECKOUT = Path(__file__).parents[2]
NOTEBOOKS = sorted((CHECKOUT / "notebooks").glob("*.ipynb"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]


def code_of(path: Path) -> list[Any]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_tables_charts_and_progress(
    path: Path, first_study: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    notebook = read(path)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "Warning" not in printed and {output.get("name") for output in outputs} <= {None, "stdout"}, printed
    kinds = [kind for output in outputs for kind in output.get("data", ())]
    assert kinds.count("text/html") >= 3
    assert ("image/png" in kinds) == (path.stem == "course")
    assert f"workspace: {first_study.root}" in printed
    progress = [output.data["text/plain"] for output in outputs if set(output.get("data", ())) == {"text/plain"}]
    assert any("validation error" in text and "counted" not in text for text in progress)  # only permanent lines stay


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_outputs(path: Path) -> None:
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_of(path))
    nbformat.validate(read(path))


def test_both_notebooks_start_with_the_same_cell_and_the_projects_address() -> None:
    (first, *others) = [code_of(path)[0].source for path in NOTEBOOKS]
    assert len(others) == 1 and others[0] == first
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert f'REPOSITORY = "{project.get("urls", {}).get("Repository", "")}"' in first
