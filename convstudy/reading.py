"""Pandas tables of studies, trials, runs, reference networks and other records."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convstudy.places import workspace

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.evidence.study_records import StudyRecord


@dataclass(frozen=True, repr=False)
class Study:
    """A study at the time it was opened. `study` and `search` return one.

    Attributes:
        record: everything known about it, with the fields of `convstudy status --json`.
    """

    record: "StudyRecord"

    @property
    def name(self) -> str:
        """The study's name."""
        return self.record.study

    def trials(self) -> "pd.DataFrame":
        """The study's trials.

        Returns:
            One row per counted trial, in the order in which they were counted. The index is `number`.

        Columns:
            state: complete, stopped (at a rung) or failed.
            family: design family.
            validation_error_percent: at its last rung; missing if it reached none.
            macs: multiply-accumulates per image.
            params: number of parameters.
            activations: number of output elements of the convolutions, per image.
            latency_seconds, train_memory_bytes: only if the search limits or minimises them.
            attempts: 1 plus the number of retries.
            reason: why it failed; missing if it did not.
            train_images_seen: training images that went through the network, repeats included.
            epochs_seen: epochs that were trained for this study.
            train_seconds: seconds of training for those epochs.
            micro_batches: parts into which each batch was split; more than 1 if memory ran out.
            run: address in the run store; `load` takes it.
            drawn_by: name of the sampler; random if drawn uniformly; walk if the space was enumerated.
            epochs: epochs up to its last rung; 0 if it reached none.
            front: whether it is on the front.
            learning_rate: peak learning rate.
            config: {"family": …, "config": {…}}; `train` and `profile` take it.
            values: its point in the design space, by parameter.
            rungs: for each rung, its epochs and the validation error in percent.

        >>> trials = convstudy.study("first").trials()
        >>> trials.index.name, len(trials), bool((trials["macs"] <= 1_000_000).all())
        ('number', 6, True)
        """
        from pipeline.actions.tables import trials_table

        return trials_table(self.record)

    def front(self) -> "pd.DataFrame":
        """The complete trials that no other trial dominates.

        Returns:
            One row per trial, lowest validation error first, with the columns of `trials` except `front`.

        >>> front = convstudy.study("first").front()
        >>> set(front["state"]), front["validation_error_percent"].is_monotonic_increasing
        ({'complete'}, True)
        """
        from pipeline.actions.tables import front_table

        return front_table(self.record)

    def __repr__(self) -> str:
        record = self.record
        return f"<Study {record.study}: {record.state}, {record.counted} trials, {len(record.front)} on the front>"


def study(name: str, *, storage: str | None = None) -> Study:
    """Open a study.

    Args:
        name: as listed by `studies`.
        storage: URL of a database; None: CONVSTUDY_STORAGE, or the workspace's own.

    Raises:
        UsageError: there is no such study. The message names the nearest one.

    >>> convstudy.study("first")
    <Study first: complete, 6 trials, ... on the front>
    >>> convstudy.study("frist")
    Traceback (most recent call last):
    pipeline.errors.UsageError: unknown study 'frist': did you mean 'first'?
    """
    from pipeline.search.searches import status

    return Study(status(workspace(), name, storage))


def studies(*, storage: str | None = None) -> "pd.DataFrame":
    """List the studies of a storage.

    Args:
        storage: URL of a database; None: CONVSTUDY_STORAGE, or the workspace's own.

    Returns:
        One row per study. The index is `study`, its name.

    Columns:
        state: running, complete, exhausted or interrupted.
        space: the design spaces, comma-separated.
        counted: number of counted trials.

    >>> convstudy.studies().loc["first", "state"]
    'complete'
    """
    from pipeline.actions.tables import studies_table
    from pipeline.search.searches import list_studies

    return studies_table(list_studies(workspace(), storage))


def runs() -> "pd.DataFrame":
    """List all runs in the run store.

    Returns:
        One row per run. The index is `run`, its address.

    Columns:
        name: name of the network.
        family: design family.
        data: name of the data set.
        seed: seed of initial weights and image order.
        state: complete, stopped (after its first epochs) or failed; missing if it has not finished.
        reason: why it failed; missing if it did not.
        epochs: number of epochs trained.
        validation_error_percent: after its last epoch.
        test_error_percent: missing if the test split was not scored.
        params: number of parameters.
        macs: multiply-accumulates per image.
        activations: number of output elements of the convolutions, per image.
        learning_rate: peak learning rate.
        batch_size: images per optimizer step.
        train_images: number of training images; missing if all were used.
        resolution: side of the network's input, in pixels.
        device: cpu or cuda.
        train_seconds: seconds of training, without evaluation.
        peak_memory_bytes: peak memory of the training process, or of the GPU.
        finished_at: time of the end, UTC.
        weights: path of the weights; missing if they were not kept.

    >>> runs = convstudy.runs()
    >>> set(convstudy.study("first").trials()["run"]) <= set(runs.index)
    True
    """
    from pipeline.actions.tables import runs_table

    return runs_table(workspace())


def architectures() -> "pd.DataFrame":
    """List the reference networks.

    Returns:
        One row per network. The index is `name`.

    Columns:
        family: design family.
        resolution: side of the network's input, in pixels.
        params: number of parameters, for 1 channel and 10 classes.
        macs: multiply-accumulates per image at this resolution, for 1 channel and 10 classes.
        source: source of the network or of its counts.

    >>> int(convstudy.architectures().loc["resnet18", "params"])
    11178378
    """
    from pipeline.actions import networks, tables

    return tables.architectures_table(networks.architectures())


def frame(records: Sequence[Any]) -> "pd.DataFrame":
    """Convert records to a table, such as a profile's layers, a training's epochs or the members of finalists.

    Args:
        records: instances of one record type.

    Returns:
        One row per record, with a column per field. An interval becomes `NAME_low` and `NAME_high`. A mean over seeds
        becomes `NAME` (the mean), `NAME_low`, `NAME_high` and `NAME_n` (number of seeds). Without records the table is
        empty and has no columns.

    >>> profile = convstudy.profile("lenet-small", no_latency=True)
    >>> int(convstudy.frame(profile.layers)["macs"].sum()) == profile.macs
    True
    """
    import pandas as pd

    from pipeline.actions import frames

    return frames.frame(type(records[0]), records) if records else pd.DataFrame()
