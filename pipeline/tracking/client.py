"""Reads and writes an open MLflow store, in few and large requests.

MLflow takes 1.4 s to import, so it is imported where it is used.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from pipeline.tracking.content import KEY, PARENT_ID, REPORT_EXPERIMENT, Entry, Point, Status
from pipeline.tracking.experiments import EXPERIMENTS, NOTE, experiment_name, experiment_tags, former_name
from pipeline.tracking.location import PREFIX

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

MODEL = "model"
"""Name of a run's model: `runs:/<run>/model` loads it."""
_BATCH_METRICS, _BATCH_PARAMS, _PAGE_RUNS = 800, 100, 1000


@dataclass
class MlflowStore:
    """An open store; one writer per process, not for use by several threads.

    Attributes:
        uri: what MLflow calls the tracking URI.
        artifacts: where files go, as a URI; None: where the server says.
        prefix: of the names of experiments.
    """

    client: "MlflowClient"
    lock: FileLock
    uri: str
    artifacts: str | None
    prefix: str = PREFIX
    _experiments: dict[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """Whether it is the workspace's own store, not a server that others may write to."""
        return self.artifacts is not None

    def experiment(self, experiment: str) -> str:
        """The id of an experiment: created when absent, restored when deleted, renamed when of an earlier version."""
        name = experiment_name(experiment, self.prefix)
        if name not in self._experiments:
            with self.lock:
                found = self._find_experiment(experiment)
                if found is None:
                    made = self.client.create_experiment(name, self.artifacts, dict(experiment_tags(experiment)))
                    self._experiments[name] = made
                else:
                    self._bring_up_to_date(found, name, experiment_tags(experiment))
                    self._experiments[name] = found.experiment_id
        return self._experiments[name]

    def _find_experiment(self, experiment: str) -> "Experiment | None":
        found = self.client.get_experiment_by_name(experiment_name(experiment, self.prefix))
        former = former_name(experiment) if self.is_local else None
        return found or (None if former is None else self.client.get_experiment_by_name(former))

    def _bring_up_to_date(self, found: "Experiment", name: str, tags: Mapping[str, str]) -> None:
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        if found.name != name:
            self.client.rename_experiment(found.experiment_id, name)
        for key, text in tags.items():
            if key not in found.tags or (key != NOTE and found.tags[key] != text):
                self.client.set_experiment_tag(found.experiment_id, key, text)

    def bring_up_to_date(self) -> None:
        """Give the experiments of earlier versions their names and descriptions of today."""
        for experiment in EXPERIMENTS:
            if self._find_experiment(experiment) is not None:
                self.experiment(experiment)

    def latest_experiment(self) -> str | None:
        """The id of the experiment with the latest run that is not a report; None if there is none."""
        reports = experiment_name(REPORT_EXPERIMENT, self.prefix)
        found = {each.experiment_id: each.name for each in self.client.search_experiments()}
        ids = [key for key, name in found.items() if name.startswith(f"{self.prefix}/") and name != reports]
        if not ids:
            return None
        order = ["attributes.start_time DESC"]
        latest = self.client.search_runs(ids, max_results=1, order_by=order)
        return latest[0].info.experiment_id if latest else ids[0]

    def describe(self, experiment: str, report: str) -> None:
        """Link the latest report from an experiment's description, unless the user has changed it."""
        experiment_id, note = self.experiment(experiment), experiment_tags(experiment, report)[NOTE]
        present = self.client.get_experiment(experiment_id).tags.get(NOTE, "")
        if present != note and present.startswith(experiment_tags(experiment)[NOTE]):
            self.client.set_experiment_tag(experiment_id, NOTE, note)

    def experiments(self) -> list[str]:
        """The ids of all experiments of convstudy, from this and earlier sessions."""
        token: str | None = None
        found: list[str] = []
        while token != "":
            page = self.client.search_experiments(page_token=token)
            found += [each.experiment_id for each in page if each.name.startswith(f"{self.prefix}/")]
            token = page.token or ""
        return found

    def runs(self, experiment_id: str, where: str = "") -> "Iterator[Run]":
        """All runs of an experiment that match a filter, oldest first."""
        token: str | None = None
        while token != "":
            page = self.client.search_runs(
                [experiment_id], where, max_results=_PAGE_RUNS, order_by=["attributes.start_time ASC"], page_token=token
            )
            yield from page
            token = page.token or ""

    def children(self, experiment_id: str, parent_id: str) -> "list[Run]":
        """The child runs of a network."""
        return list(self.runs(experiment_id, f"tags.`{PARENT_ID}` = '{parent_id}'"))

    def find(self, entry: Entry) -> "Run | None":
        """The run of an entry, if MLflow has it. Keys are hexadecimal, so that no name enters the filter."""
        return next(self.runs(self.experiment(entry.experiment), f"tags.`{KEY}` = '{entry.key}'"), None)

    def create(self, entry: Entry, parent_id: str | None, start_ms: int) -> "Run":
        """A new run for an entry, RUNNING. Call it under the lock, after `find` has found none."""
        tags = {**entry.tags, **({PARENT_ID: parent_id} if parent_id else {})}
        experiment_id = self.experiment(entry.experiment)
        return self.client.create_run(experiment_id, start_time=start_ms, tags=tags, run_name=entry.name)

    def log(
        self,
        run_id: str,
        points: Iterable[Point] = (),
        at: Callable[[int], int] = lambda step: 0,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Write metrics (dated `at(step)`, in milliseconds), parameters and tags, in as few batches as allowed."""
        from mlflow.entities import Metric, Param, RunTag

        metrics = (Metric(point.key, point.value, at(point.step), point.step) for point in points)
        parameters = (Param(key, text) for key, text in (params or {}).items())
        labels = [RunTag(key, text) for key, text in (tags or {}).items()]
        while True:
            values, settings = list(islice(metrics, _BATCH_METRICS)), list(islice(parameters, _BATCH_PARAMS))
            if not (values or settings or labels):
                return
            self.client.log_batch(run_id, metrics=values, params=settings, tags=labels)
            labels = []

    def log_data(self, run_id: str, name: str, fingerprint: str) -> None:
        """Name the data a run is trained on, as MLflow's dataset input (its digests hold 36 characters)."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        data = Dataset(name, fingerprint[:36], source_type="convstudy", source=fingerprint)
        self.client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])

    def holds(self, run: "Run", *parts: str) -> bool:
        """Whether MLflow has the artifact of that path."""
        if (local := _local(run.info.artifact_uri)) is not None:
            return local.joinpath(*parts).is_file()
        folder = "/".join(parts[:-1]) or None
        return "/".join(parts) in {found.path for found in self.client.list_artifacts(run.info.run_id, folder)}

    def log_model(self, run: "Run", weights: Path, tags: Mapping[str, str]) -> str:
        """Log weights as a run's MLflow model and return its id; in a local store they are hard links.

        Raises StorageError for weights that cannot be a model.
        """
        from mlflow import __version__
        from mlflow.entities import LoggedModelOutput

        from pipeline.models.mlflow_model import model_info, write_model  # which load PyTorch

        run_id, info = run.info.run_id, model_info(weights)
        model = self.client.create_logged_model(run.info.experiment_id, MODEL, run_id, dict(tags))
        with contextlib.ExitStack() as stack:
            folder = _local(model.artifact_location)
            target = folder or Path(stack.enter_context(TemporaryDirectory()), "model")
            write_model(weights, info, target, model.model_id, run_id, __version__)
            if folder is None:
                self.client.log_model_artifacts(model.model_id, str(target))
        self.client.finalize_logged_model(model.model_id, "READY")
        self.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
        return str(model.model_id)

    def holds_model(self, model_id: str) -> bool:
        """Whether MLflow has the weights of a model; those on a server are taken on trust."""
        folder = _local(self.artifacts)
        return folder is None or (folder / "models" / model_id / "artifacts" / "MLmodel").is_file()

    def reopen(self, run_id: str) -> None:
        """Set an ended run running again."""
        self.client.update_run(run_id, status="RUNNING")

    def delete(self, run: "Run") -> None:
        """Move a run to MLflow's trash; it ends KILLED if it was RUNNING."""
        if run.info.status == "RUNNING":
            self.client.set_terminated(run.info.run_id, status="KILLED")
        for model in run.outputs.model_outputs if run.outputs is not None else ():
            self.client.delete_logged_model(model.model_id)
        self.client.delete_run(run.info.run_id)

    def end(self, run_id: str, status: Status, end_ms: int) -> None:
        """Set a run's final status."""
        self.client.set_terminated(run_id, status=status, end_time=end_ms)


def _local(uri: str | None) -> Path | None:
    """The folder that a file: URI names; None for other URIs."""
    parts = urlsplit(uri or "")
    return Path(url2pathname(parts.path)) if parts.scheme == "file" else None
