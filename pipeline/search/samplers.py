"""The samplers of a search: Optuna's, custom ones, and regularized evolution, which is implemented here.

A sampler sees a fixed set of parameters: each trial has a value for every parameter of the space, even for those that
its network does not use. Most samplers draw parameters at random that some trials lack.
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
"""Number of random trials before TPE or the Gaussian process fits its first model."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """A space's parameters as Optuna's distributions."""
    return {
        parameter.name: CategoricalDistribution(parameter.values)
        if parameter.step is None
        else IntDistribution(parameter.values[0], parameter.values[-1], step=parameter.step)
        for parameter in space.parameters
    }


def make_sampler(name: str, seed: int) -> BaseSampler:
    """Make the sampler of that name. Equal seeds and equal histories give equal draws.

    Raises UsageError if a custom sampler cannot be made.
    """
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

    The last POPULATION measured networks are alive. The best of TOURNAMENT random ones is the parent. Its child differs
    in one parameter. With several objectives, which the paper does not cover, the best has the best non-dominated rank.
    """

    def __init__(self, seed: int) -> None:
        self._generator = np.random.default_rng(seed)

    def reseed_rng(self) -> None:
        """Take a new random stream; Optuna calls this on copied samplers."""
        self._generator = np.random.default_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """All parameters, once there is a full population; none before."""
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
        """A uniform draw, used for the first population."""
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
    """Turn off Optuna's own log lines."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
