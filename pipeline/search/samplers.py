"""The samplers of a search behind one small door, and regularized evolution among them.

All but ours are Optuna's. A space is given to a sampler as a box: every parameter of the space has a value in every
trial, also where the network does not have it, since most samplers leave what is not in all trials to chance.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from pipeline.search.custom_samplers import make_custom_sampler
from pipeline.search.pareto import ranked
from search_spaces import Space

POPULATION = 25
TOURNAMENT = 6
STARTUP = 12
"""Trials drawn at random before TPE or the Gaussian process begins to model."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """A space's parameters as Optuna knows them."""
    return {
        parameter.name: CategoricalDistribution(parameter.values)
        if parameter.step is None
        else IntDistribution(parameter.values[0], parameter.values[-1], step=parameter.step)
        for parameter in space.parameters
    }


def make_sampler(name: str, seed: int) -> BaseSampler:
    """A sampler of that name; equal seeds draw equally from equal histories."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return _sampler(name, seed)


def _sampler(name: str, seed: int) -> BaseSampler:
    match name:
        case "tpe":
            return TPESampler(seed=seed, multivariate=True, n_startup_trials=STARTUP)
        case "nsga2":
            return NSGAIISampler(seed=seed, population_size=POPULATION)
        case "evolution":
            return EvolutionSampler(seed)
        case "gp":
            return GPSampler(seed=seed, n_startup_trials=STARTUP, deterministic_objective=False)
        case "random":
            return RandomSampler(seed=seed)
        case "qmc":
            return QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
        case _:
            return make_custom_sampler(name, seed)


class EvolutionSampler(BaseSampler):
    """Regularized (aging) evolution, after Real et al. (2019), "Regularized evolution for image classifier search".

    The last POPULATION networks that were measured are alive. Of TOURNAMENT drawn from them the best is the parent; its
    child differs in one parameter. With several objectives "best" is by non-dominated rank, the paper having one.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def reseed_rng(self) -> None:
        """Draw anew, as Optuna asks of samplers that are copied."""
        self._generator = np.random.default_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters of those measured, once there is a population."""
        measured = _measured(study)
        return dict(measured[-1].distributions) if len(measured) >= POPULATION else {}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """A child of the tournament's winner."""
        if not search_space:
            return {}
        alive = _measured(study)[-POPULATION:]
        chosen = self._generator.choice(len(alive), size=TOURNAMENT, replace=False)
        order = ranked([alive[index].values for index in chosen])
        child = dict(alive[chosen[order[0]]].params)
        names = [name for name, distribution in search_space.items() if not distribution.single()]
        name = names[int(self._generator.integers(len(names)))]
        others = [value for value in _values(search_space[name]) if value != child[name]]
        child[name] = others[int(self._generator.integers(len(others)))]
        return child

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A uniform draw, for the first population."""
        values = _values(param_distribution)
        return values[int(self._generator.integers(len(values)))]


def _measured(study: Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def _values(distribution: BaseDistribution) -> Sequence[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices
    assert isinstance(distribution, IntDistribution)
    return range(distribution.low, distribution.high + 1, distribution.step)


def silence() -> None:
    """Keep Optuna's own lines to itself."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
