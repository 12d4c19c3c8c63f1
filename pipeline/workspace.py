"""Where things lie: the clone is the workspace, unless CONVSTUDY_HOME names another folder.

Every path of the pipeline is derived here, so that a test or a second study moves all of them by one variable.
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
        """The home folder of a user who has none: caches and settings of libraries."""
        return self.root / ".home"

    @property
    def raw_data(self) -> Path:
        """Source files as they were obtained, one folder a source."""
        return self.root / "data" / "raw"

    @property
    def prepared_data(self) -> Path:
        """Memory-mapped arrays and manifests, one folder a data set."""
        return self.root / "data" / "prepared"

    @property
    def plans(self) -> Path:
        """One resolved JSON per entry, written by the stage `plan`."""
        return self.root / "plans"

    @property
    def runs(self) -> Path:
        """The run store: one folder a training."""
        return self.root / "runs"

    @property
    def locks(self) -> Path:
        """Locks of the stages; dropped by the operating system when their holders end."""
        return self.root / "runs" / ".locks"

    @property
    def mlflow(self) -> Path:
        """MLflow's database and artifacts."""
        return self.root / "mlruns"

    @property
    def studies(self) -> Path:
        """Optuna's database of searches, where no other is given."""
        return self.root / "studies" / "studies.db"

    @property
    def results(self) -> Path:
        """Records and the report, written by `dvc repro`."""
        return self.root / "reports" / "results"

    @property
    def by_hand(self) -> Path:
        """Records of experiments and timings that were run by hand, with `convstudy experiment`."""
        return self.root / "reports" / "by-hand"

    @property
    def published(self) -> Path:
        """Evidence of real runs that is kept in git."""
        return self.root / "reports" / "published"


def current_workspace() -> Workspace:
    """The workspace in force: CONVSTUDY_HOME, else the clone this package was installed from."""
    home = os.environ.get("CONVSTUDY_HOME")
    return Workspace(Path(home).resolve() if home else Path(__file__).resolve().parents[1])
