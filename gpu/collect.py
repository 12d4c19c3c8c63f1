"""Adds the records of a GPU machine: `python -m gpu.collect records.tar.gz NAME`.

Its runs are added to the run store, so `convstudy replay` shows them in MLflow. Its groups of networks are published in
reports/published/NAME. Its experiments and timings join the published evidence, and the claims are judged again.
"""

import shutil
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.errors import UsageError
from pipeline.process import run_and_exit
from pipeline.publishing.claims import renew_claims
from pipeline.publishing.publish import check_name, publish
from pipeline.reporting.report import write_report
from pipeline.workspace import Workspace, current_workspace


def collect(archive: Path, name: str, workspace: Workspace) -> Path:
    """Add the archive's runs to the store, and publish its records. Existing runs are not changed.

    Returns the folder of the report on the groups of networks, or of the claims report if there are no groups. Raises
    UsageError if the name is not valid, or the archive cannot be read.
    """
    check_name(name)
    with TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive) as packed:
                packed.extractall(folder, filter="data")
        except (OSError, tarfile.TarError) as error:
            raise UsageError(f"cannot read {archive}: {error}") from error
        brought = Workspace(Path(folder))
        for run in sorted(brought.runs.glob("*")):
            _add(run, workspace.runs / run.name)
        renew_claims(workspace, brought.results)
        if not any((brought.results / "runs").glob("*.json")):
            return workspace.published / "claims"
        (brought.results / "profiles").mkdir(parents=True, exist_ok=True)
        write_report(brought.results)
        return publish(workspace, name, brought.results)


def _add(brought: Path, kept: Path) -> None:
    """Copy the files of a run that the store lacks, result.json last. A run with a different result is not changed."""
    results = [folder / "result.json" for folder in (brought, kept)]
    if results[1].exists() and (not results[0].exists() or results[0].read_bytes() != results[1].read_bytes()):
        return
    kept.mkdir(parents=True, exist_ok=True)
    for file in sorted(brought.iterdir(), key=lambda file: file.name == "result.json"):
        if not (kept / file.name).exists():
            shutil.copy2(file, kept / file.name)


if __name__ == "__main__":
    run_and_exit(lambda: print(collect(Path(sys.argv[1]), sys.argv[2], current_workspace())))
