"""The verbs `search` and `finalists` as functions, with the same options."""

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
        families: design spaces, such as "resnet", "vgg,resnet" or ["vgg", "resnet"].
        trials: total number of trained networks in the study; None: 40, unless `hours` is given.
        hours: total hours of search, instead of `trials`.
        objectives: what to minimise: "error", then any costs.
        sampler: auto, tpe, nsga2, evolution, gp, random, qmc or module:Class.
        fidelity: "full" trains every network to the end, "halving" only the better ones.
        data: prepared data set, by name or folder; None: the one in params.yaml.
        train_images: number of training images, a stratified subset; None: all.
        epochs: epochs of a full training; None: the recipe's.
        profile: profile in params.yaml whose recipe is used; None: the current one.
        workers: number of parallel trainings; None: as many as fit.
        executor: where trainings run: processes.
        device: auto, cpu or cuda.
        seed: seed of the sampler and of every training.
        storage: URL of a database; None: CONVSTUDY_STORAGE, or the workspace's own.
        study: name of the study; None: made from the plan.
        fresh: delete the study of this name and start over.
        warm_start: name of a study whose trials the sampler also learns from.
        retries: number of retries of a training whose worker was lost.
        quiet: show no progress.
        limits: `max_macs`, `max_params`, `max_activations`, `max_latency` and `max_train_memory`, each as a number or
            as text with a unit, such as "3M" or "5ms". A latency needs its unit.

    Returns:
        The study, with `trials()` and `front()`.

    Raises:
        UsageError: an argument is unknown or impossible.
        DataError: the data set is not prepared.
        RunsFailedError: trials were lost, or all trials failed. The study keeps all results.

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
    from pipeline.cost.limits import read_limits

    wanted = searches.SearchOptions(
        families=families.split(",") if isinstance(families, str) else families,
        limits=read_limits(limits),
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
    """Retrain a study's best networks with new seeds, test each once, and compare with baselines.

    Args:
        study: a study, or its name.
        seeds: number of trainings of each network, from scratch; at least 2.
        members: maximum number of networks taken from the front.
        random_networks: number of random networks per member, of equal cost; an interval needs 7.
        random_search: whether to compare with a random search of equal compute.
        data: prepared data, by name or folder; None: the study's.
        workers: number of parallel trainings; None: as many as fit.
        storage: URL of a database; None: CONVSTUDY_STORAGE, or the workspace's own.
        quiet: show no progress.

    Returns:
        A record. Its `members` are the retrained networks with their test errors in percent, and its `comparisons` are
        the differences from the baselines in points. `frame` converts both to tables.

    Raises:
        UsageError: there is no such study, or none of its networks was trained in full.
        RunsFailedError: trainings were lost, or all trainings of one network failed.

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
