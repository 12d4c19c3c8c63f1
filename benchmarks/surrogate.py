"""Learning curves of networks that were not trained, predicted from a population of networks that were.

A regression (extremely randomized trees) from a network's costs and parameters to its error after each epoch, after
Siems et al. (2020), "NAS-Bench-301"; how well it ranks networks it has not seen is measured by cross-validation, and
stands beside every result that rests on it. The noise of a training is that of the population's further seeds.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold

from benchmarks.population import PopulationTable, TableNetwork
from pipeline.cost.limits import Cost
from pipeline.training.seeding import derive_seed
from search_spaces import PART, Space

TREES, FOLDS = 400, 10


class Surrogate:
    """Predicts the errors after each epoch of any network of the population's space."""

    def __init__(self, table: PopulationTable, space: Space) -> None:
        self.table, self.space = table, space
        self._features = [self._describe(network.values, network.costs) for network in table.networks]
        self._curves = np.array([mean_curve(network) for network in table.networks])
        self._trees = _regression().fit(self._features, self._curves)
        self._residuals = residuals(table.networks)
        self._known: dict[tuple[Any, ...], np.ndarray] = {}

    def curve(self, values: Mapping[str, Any], costs: Mapping[Cost, float]) -> np.ndarray:
        """The expected errors, (epochs,), of a network at a point of the space."""
        features = self._describe(values, costs)
        key = tuple(features)
        if key not in self._known:
            self._known[key] = self._trees.predict([features])[0]
        known: np.ndarray = self._known[key]
        return known

    def noise(self, repeat: int, number: int) -> np.ndarray:
        """What one training adds to the expected errors, (epochs,): a residual of some network's seed."""
        generator = np.random.default_rng(derive_seed(repeat, "noise", number))
        drawn: np.ndarray = self._residuals[generator.integers(len(self._residuals))]
        return drawn

    def rank_correlation(self) -> float:
        """Spearman's correlation of predicted and measured final errors of networks left out (10-fold)."""
        predicted = np.empty(len(self._features))
        features = np.array(self._features)
        for train, left in KFold(FOLDS, shuffle=True, random_state=0).split(features):
            predicted[left] = _regression().fit(features[train], self._curves[train]).predict(features[left])[:, -1]
        return float(spearmanr(predicted, self._curves[:, -1]).statistic)

    def _describe(self, values: Mapping[str, Any], costs: Mapping[Cost, float]) -> list[float]:
        """Logarithms of the costs, which part it is from, and each parameter of that part by the place of its value."""
        part = values.get(PART, next(iter(self.space.parts)))
        features = [math.log10(costs[cost]) for cost in ("macs", "params", "activations")]
        for parameter in self.space.parameters:
            own = parameter.name == PART or parameter.name.startswith(f"{part}.")
            features.append(float(parameter.values.index(values[parameter.name])) if own else -1.0)
        return features


def mean_curve(network: TableNetwork) -> np.ndarray:
    """Errors after each epoch, mean over its seeds, (epochs,)."""
    mean: np.ndarray = np.mean([np.array(curve) for curve in network.errors.values()], axis=0)
    return mean


def residuals(networks: Sequence[TableNetwork]) -> np.ndarray:
    """What single seeds differ from the mean of their network, (n, epochs), widened for the mean being of few seeds."""
    found = [
        (np.array(curve) - mean_curve(network)) * math.sqrt(len(network.errors) / (len(network.errors) - 1))
        for network in networks
        if len(network.errors) > 1
        for curve in network.errors.values()
    ]
    return np.array(found)


def _regression() -> ExtraTreesRegressor:
    return ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=0, n_jobs=1)
