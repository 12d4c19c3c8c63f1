"""Paths of the workspace, which is the clone unless CONVSTUDY_HOME names another folder.

All paths of the pipeline are defined here, so that one variable moves a whole study.
"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Workspace:
    """The folders of one study, all under `root`."""

    root: Path

    @property
    def params_file(self) -> Path:
        """Profiles, recipes and settings."""
        return self.root / "params.yaml"

    @property
    def home(self) -> Path:
        """Replaces the home folder of a user who has none: caches and settings of libraries."""
        return self.root / ".home"

    @property
    def raw_data(self) -> Path:
        """Original source files, one folder per source."""
        return self.root / "data" / "raw"

    @property
    def prepared_data(self) -> Path:
        """Memory-mapped arrays and manifests, one folder per data set."""
        return self.root / "data" / "prepared"

    @property
    def plans(self) -> Path:
        """One resolved JSON per entry, written by the stage `plan`."""
        return self.root / "plans"

    @property
    def runs(self) -> Path:
        """The run store: one folder per training."""
        return self.root / "runs"

    @property
    def locks(self) -> Path:
        """Lock files. The operating system releases a lock when its holder ends."""
        return self.root / "runs" / ".locks"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlruns"

    @property
    def studies(self) -> Path:
        """Optuna's database of searches, unless another is given."""
        return self.root / "studies" / "studies.db"

    @property
    def results(self) -> Path:
        """Records and the report, written by `dvc repro`."""
        return self.root / "reports" / "results"

    @property
    def by_hand(self) -> Path:
        """Records of experiments and timings run with `convstudy experiment`."""
        return self.root / "reports" / "by-hand"

    @property
    def published(self) -> Path:
        """Published evidence of real runs, kept in git."""
        return self.root / "reports" / "published"


def current_workspace() -> Workspace:
    """The current workspace: CONVSTUDY_HOME, else the clone from which this package was installed."""
    home = os.environ.get("CONVSTUDY_HOME")
    return Workspace(Path(home).resolve() if home else Path(__file__).resolve().parents[1])
