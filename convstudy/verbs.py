"""The verbs as functions: the same options under the same names, records and tables instead of printed lines.

Progress is shown as on a terminal, in a notebook in the cell; `quiet=True` shows nothing.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convstudy.places import workspace
from convstudy.reading import Study

if TYPE_CHECKING:
    from pipeline.actions.inputs import GivenNetwork
    from pipeline.cost.records import CostProfile
    from pipeline.data.manifest import Manifest
    from pipeline.evidence.finalist_records import FinalistsRecord
    from pipeline.running.single import TrainedRun


def prepare(
    source: str | os.PathLike[str] = "fashion-mnist",
    *,
    name: str | None = None,
    image_size: int | None = None,
    seed: int = 0,
    skip_bad: bool = False,
    group_by: str | None = None,
    given: str | os.PathLike[str] | None = None,
    quiet: bool = False,
) -> "Manifest":
    """Obtain, check and split images into the workspace's `data/prepared`.

    Args:
        source: a published data set's name, a folder of class folders, or a CSV with columns path and label.
        name: the data set's name; None: the source's.
        image_size: side in pixels; None: the images' own, or 32.
        seed: of the split.
        skip_bad: leave unusable files out.
        group_by: a regular expression; images whose paths agree in its first group stay in one split.
        given: a folder with a published data set's files (`--from`).
        quiet: show nothing.

    Returns:
        The manifest: name, image shape, class names, images of each split, what was converted.

    Raises:
        UsageError: the source does not exist, or an option is impossible.
        DataError: images cannot be had or used; it lists them all.

    >>> manifest = convstudy.prepare("pictures", quiet=True)
    >>> manifest.name, manifest.image_shape, manifest.class_names
    ('pictures', (1, 28, 28), ('Bag', 'Sneaker'))
    """
    from pipeline.data.prepare import prepare as prepare_data

    here = workspace()
    return prepare_data(
        os.fspath(source),
        here.raw_data,
        here.prepared_data,
        name=name,
        image_size=image_size,
        seed=seed,
        skip_bad=skip_bad,
        group_by=group_by,
        given_folder=None if given is None else Path(given),
        tell=(lambda _: None) if quiet else print,
    )


def profile(
    network: "GivenNetwork",
    *,
    resolution: int | None = None,
    channels: int = 1,
    classes: int = 10,
    device: str = "auto",
    no_latency: bool = False,
) -> "CostProfile":
    """Price one network: parameters, MACs, activations, memory, latency, layer by layer.

    Args:
        network: a reference's name, the path of a CONFIG.json, or {"family": …, "config": {…}} as a trial has it.
        resolution: in pixels; None: the reference's own, or 28.
        channels: of the images.
        classes: of the data.
        device: auto, cpu or cuda.
        no_latency: count only; time nothing.

    Raises:
        UsageError: there is no such network, or it cannot take images of that resolution.

    >>> convstudy.profile("resnet-small", no_latency=True).macs
    2636672
    """
    workspace()
    from pipeline.actions import networks

    return networks.profile(network, resolution, channels, classes, device, latency=not no_latency)


def train(
    network: "GivenNetwork",
    *,
    data: str | None = None,
    epochs: int | None = None,
    train_images: int | None = None,
    recipe: str = "common",
    lr: float | None = None,
    seed: int = 1,
    device: str = "auto",
    workdir: str | os.PathLike[str] | None = None,
    test: bool = False,
    quiet: bool = False,
) -> "TrainedRun":
    """Train one network once, and keep its weights. An interrupted training resumes; a finished one is found.

    Args:
        network: a reference's name, the path of a CONFIG.json, or {"family": …, "config": {…}} as a trial has it.
        data: a prepared data set, by name or folder; None: that of params.yaml.
        epochs: None: the recipe's.
        train_images: size of a stratified subset; None: all.
        recipe: a recipe of params.yaml.
        lr: peak learning rate; None: the recipe's.
        seed: of initial weights and order of images.
        device: auto, cpu or cuda.
        workdir: where runs/ and mlruns/ are kept; None: in the workspace.
        test: score the test split once, after training.
        quiet: show no progress.

    Returns:
        The run: its address, one entry of `history` an epoch, the test error if it was asked for.

    Raises:
        UsageError: something is unknown or impossible.
        DataError: the data set is not prepared.
        RunsFailedError: the training failed.

    >>> run = convstudy.train("lenet-small", epochs=1, train_images=512, quiet=True)
    >>> run.state, len(convstudy.frame(run.history))
    ('complete', 1)
    >>> convstudy.load(run.run).finished.info.spec.family
    'lenet'
    """
    from pipeline.running.workers import prepare_workers

    here = workspace()
    prepare_workers()
    from pipeline.actions import networks

    trained = networks.train(
        here,
        network,
        data=data,
        epochs=epochs,
        train_images=train_images,
        recipe=recipe,
        lr=lr,
        seed=seed,
        device=device,
        workdir=None if workdir is None else Path(workdir),
        test=test,
        quiet=quiet,
    )
    networks.check_training(trained)
    return trained


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
