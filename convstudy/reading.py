"""What is there already, as pandas tables: studies with their trials, runs, claims, the published population."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from convstudy.places import workspace

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.evidence.study_records import StudyRecord
    from pipeline.reporting.charts.chart import Figure


@dataclass(frozen=True, repr=False)
class Study:
    """A study as it stood when it was opened.

    Attributes:
        record: all that is known of it, as `convstudy status --json` writes it.
    """

    record: "StudyRecord"

    @property
    def name(self) -> str:
        """The study's name."""
        return self.record.study

    def trials(self) -> "pd.DataFrame":
        """The counted trials by number, in the order in which they came to count.

        Costs have the names of their units; `config` holds {"family": …, "config": {…}}, which `train` and `profile`
        take, and `run` the address that `load` takes.

        >>> trials = convstudy.study("first").trials()
        >>> trials.index.name, len(trials)
        ('number', 6)
        >>> trials[["state", "macs", "validation_error_percent"]].dtypes.to_dict()["macs"]
        dtype('int64')
        >>> bool((trials["macs"] <= 1_000_000).all())
        True
        """
        from pipeline.actions.tables import trials_table

        return trials_table(self.record)

    def front(self) -> "pd.DataFrame":
        """The complete trials that no other dominates, the lowest error first; columns as those of `trials`.

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
        name: as `convstudy studies` lists it.
        storage: a database's URL; None: CONVSTUDY_STORAGE, or the workspace's own.

    Raises:
        UsageError: there is no such study; it names the nearest one.

    >>> convstudy.study("first")
    <Study first: complete, 6 trials, ... on the front>
    >>> convstudy.study("frist")
    Traceback (most recent call last):
    pipeline.errors.UsageError: unknown study 'frist': did you mean 'first'?
    """
    from pipeline.search.searches import status

    return Study(status(workspace(), name, storage))


def studies(*, storage: str | None = None) -> "pd.DataFrame":
    """All studies of a storage by name: state, space, number of counted trials.

    >>> convstudy.studies().loc["first", "state"]
    'complete'
    """
    from pipeline.actions.tables import studies_table
    from pipeline.search.searches import list_studies

    return studies_table(list_studies(workspace(), storage))


def runs() -> "pd.DataFrame":
    """All runs of the run store by address: network, recipe, costs, errors, times, and the path of weights kept.

    >>> runs = convstudy.runs()
    >>> set(convstudy.study("first").trials()["run"]) <= set(runs.index)
    True
    >>> runs["train_seconds"].dtype, str(runs["finished_at"].dtype).startswith("datetime64")
    (dtype('float64'), True)
    """
    from pipeline.actions.tables import runs_table

    return runs_table(workspace())


def claims(identifier: str | None = None, *, parts: bool = False) -> "pd.DataFrame":
    """Which claims hold, judged by the workspace's own evidence, else by the published one.

    Args:
        identifier: one claim, as "V4"; None: all.
        parts: one row a part, with its effect and interval, instead of one row a claim.

    Raises:
        UsageError: there is no such claim; it names the nearest one.

    >>> convstudy.claims().loc["B1", "verdict"]
    'holds'
    >>> bool(convstudy.claims("B1", parts=True)[["effect", "interval_low"]].notna().all(axis=None))
    True
    """
    from pipeline.actions.claims import judge_claims
    from pipeline.actions.tables import claims_table, parts_table

    verdicts = judge_claims(workspace(), identifier).verdicts
    return parts_table(verdicts) if parts else claims_table(verdicts)


def figures(identifier: str) -> "list[Figure]":
    """The report's figures of one claim, every seed visible; a notebook shows each, and `png()` gives its bytes.

    Args:
        identifier: as "V4".

    Raises:
        UsageError: there is no such claim; it names the nearest one.

    >>> convstudy.figures("B1")[0].png()[1:4]
    b'PNG'
    """
    from pipeline.actions.claims import claim_figures

    return claim_figures(workspace(), identifier)


def population() -> "pd.DataFrame":
    """The published population: networks drawn at random from the design spaces, with costs and errors, by number.

    `validation_error_percent` is that of a short training, `full_validation_error_percent` that of one on all images,
    which some networks had.

    >>> population = convstudy.population()
    >>> len(population) > 200, population["macs"].dtype
    (True, dtype('int64'))
    """
    from pipeline.actions.tables import population_table

    return population_table(workspace())


def architectures() -> "pd.DataFrame":
    """The reference networks by name: family, resolution in pixels, parameters and MACs there, source.

    >>> int(convstudy.architectures().loc["resnet18", "params"])
    11178378
    """
    from pipeline.actions import networks, tables

    return tables.architectures_table(networks.architectures())


def frame(records: Sequence[Any]) -> "pd.DataFrame":
    """Records as a table, one row each: the layers of a profile, the epochs of a training, the members of finalists.

    >>> layers = convstudy.frame(convstudy.profile("lenet-small", no_latency=True).layers)
    >>> int(layers["macs"].sum()) == convstudy.profile("lenet-small", no_latency=True).macs
    True
    """
    import pandas as pd

    from pipeline.actions import frames

    return frames.frame(type(records[0]), records) if records else pd.DataFrame()
