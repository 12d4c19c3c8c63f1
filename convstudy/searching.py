"""The verbs of searches as functions: the same options under the same names, studies and records instead of lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convstudy.places import workspace
from convstudy.reading import Study

if TYPE_CHECKING:
    from pipeline.evidence.finalist_records import FinalistsRecord


def search(
    families: str | Sequence[str],
    *,
    trials: int | None = None,
    hours: float | None = None,
    objectives: str | Sequence[str] = "error,macs",
    sampler: str = "auto",
    fidelity: str = "halving",
    data: str | None = None,
    train_images: int | None = None,
    epochs: int | None = None,
    profile: str | None = None,
    workers: int | None = None,
    executor: str = "processes",
    device: str = "auto",
    seed: int = 0,
    storage: str | None = None,
    study: str | None = None,
    fresh: bool = False,
    warm_start: str | None = None,
    retries: int = 2,
    quiet: bool = False,
    **limits: str | int | float | None,
) -> Study:
    """Search design spaces for the best networks within limits. Call it again to resume.

    Args:
        families: design spaces: "resnet", "vgg,resnet", or a list.
        trials: total number of trained networks; None: 40, unless `hours` are given.
        hours: total hours of searching, instead of trials.
        objectives: what to minimise: error and any cost.
        sampler: auto, tpe, nsga2, evolution, gp, random or qmc.
        fidelity: full (every network trains to the end) or halving (only the better ones).
        data: a prepared data set, by name or folder; None: that of params.yaml.
        train_images: size of a stratified subset; None: all.
        epochs: of a network that trains in full.
        profile: whose recipe is used; None: the one in force.
        workers: trainings at once; None: one per core, or as many as fit on the cards.
        executor: where trainings run.
        device: auto, cpu or cuda.
        seed: of the sampler and of every training.
        storage: a database's URL; None: CONVSTUDY_STORAGE, or the workspace's own.
        study: the study's name; None: made from what is searched.
        fresh: delete the study of that name and start over.
        warm_start: a study from which the sampler learns.
        retries: of a training whose worker was lost.
        quiet: show no progress.
        limits: `max_macs`, `max_params`, `max_activations`, `max_latency`, `max_train_memory`: numbers, or text such as
            "3M" and "5ms".

    Raises:
        UsageError: something is unknown or impossible.
        DataError: the data set is not prepared.
        RunsFailedError: trials were lost, or all failed; the others are in the study.

    >>> small = {"epochs": 1, "train_images": 512, "max_macs": "1M"}
    >>> convstudy.search("lenet", trials=6, study="first", quiet=True, **small)
    <Study first: complete, 6 trials, ... on the front>
    >>> convstudy.search("resnet", max_mac=3e6)
    Traceback (most recent call last):
    pipeline.errors.UsageError: unknown limit 'max_mac': did you mean 'max_macs'?
    """
    from pipeline.running.workers import prepare_workers

    here = workspace()
    prepare_workers()
    from pipeline.actions import searches

    wanted = searches.SearchOptions(
        families=families.split(",") if isinstance(families, str) else families,
        limits=searches.read_limits(limits),
        trials=trials,
        hours=hours,
        objectives=objectives if isinstance(objectives, str) else ",".join(objectives),
        sampler=sampler,
        fidelity=fidelity,
        data=data,
        train_images=train_images,
        epochs=epochs,
        profile=profile,
        workers=workers,
        executor=executor,
        device=device,
        seed=seed,
        storage=storage,
        study=study,
        fresh=fresh,
        warm_start=warm_start,
        retries=retries,
    )
    record = searches.search(here, wanted, quiet)
    searches.check_search(record)
    return Study(record)


def finalists(
    study: str | Study,
    *,
    seeds: int = 5,
    members: int = 8,
    random_networks: int = 8,
    random_search: bool = True,
    data: str | None = None,
    workers: int | None = None,
    storage: str | None = None,
    quiet: bool = False,
) -> "FinalistsRecord":
    """Retrain a study's best networks with new seeds, test each once, and compare with what needs no search.

    Args:
        study: its name, or the study itself.
        seeds: trainings of each network, from scratch.
        members: maximum number of networks taken from the front.
        random_networks: drawn at the cost of each member; 7 for an interval.
        random_search: compare with one of the same compute.
        data: where the study's data lie, if not in the workspace.
        workers: trainings at once; None: one per core, or as many as fit on the cards.
        storage: a database's URL; None: CONVSTUDY_STORAGE, or the workspace's own.
        quiet: show no progress.

    Returns:
        `members` and `comparisons`, of which `frame` makes tables.

    Raises:
        UsageError: there is no such study, or none of its networks was trained in full.
        RunsFailedError: trainings were lost, or all of one network failed.

    >>> found = convstudy.finalists("first", seeds=2, members=1, random_networks=0, random_search=False, quiet=True)
    >>> members = convstudy.frame(found.members)
    >>> len(members), bool((members["test_error_percent_n"] == 2).all())
    (1, True)
    """
    from pipeline.running.workers import prepare_workers

    here = workspace()
    prepare_workers()
    from pipeline.actions import searches
    from pipeline.settings import FinalistsSettings

    record = searches.finalists(
        here,
        study.name if isinstance(study, Study) else study,
        FinalistsSettings(seeds, members, random_networks, random_search),
        data=data,
        workers=workers,
        storage=storage,
        quiet=quiet,
    )
    searches.check_finalists(record)
    return record
