"""Predicts learning curves of untrained networks from a population of trained ones.

A regression (extremely randomized trees) from a network's costs and Config to its error after each epoch, as in Siems
et al. (2020), "Surrogate NAS benchmarks" (NAS-Bench-301). Cross-validation measures how well it ranks unseen networks;
results that use it report this. Noise is drawn from repeated trainings of population networks with a similar error.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.stats import spearmanr
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import KFold

from pipeline.evidence.population import PopulationTable, TableNetwork
from pipeline.training.seeding import derive_seed

TREES, FOLDS = 200, 10
LIKE_NETWORKS = 24
"""Noise is drawn from this many trainings with repeated seeds, those with the nearest error."""


class Surrogate:
    """Predicts errors after each epoch, for networks of the families in the population."""

    def __init__(self, table: PopulationTable) -> None:
        self.table = table
        described = [dict(_fields(network.config)) for network in table.networks]
        self._names = sorted({name for fields in described for name in fields})
        self._words = {
            name: sorted({str(fields[name]) for fields in described if isinstance(fields.get(name), str)})
            for name in self._names
        }
        self._features = np.array([self._describe(network.config, network.costs) for network in table.networks])
        self._curves = np.array([mean_curve(network) for network in table.networks])
        self._trees = _regression().fit(self._features, self._curves)
        self._finals, self._residuals = residuals(table.networks)

    def curve(self, config: Mapping[str, Any], costs: Mapping[str, float]) -> np.ndarray:
        """The expected errors in percent, (epochs,), of a network {"family": …, "config": {…}}."""
        described = np.array([self._describe(config, costs)], dtype=np.float32)
        trees = [tree.tree_.predict(described) for tree in self._trees.estimators_]  # sklearn's predict takes 10 ms
        predicted: np.ndarray = np.mean(trees, axis=0).reshape(-1)
        return predicted

    def noise(self, error_percent: float, repeat: int, run: str) -> np.ndarray:
        """Noise of one training, (epochs,), of a network with the expected final error `error_percent`.

        In one repeat, the same run always gets the same noise.
        """
        like = np.argsort(np.abs(self._finals - error_percent), kind="stable")[:LIKE_NETWORKS]
        generator = np.random.default_rng(derive_seed(repeat, run))
        drawn: np.ndarray = self._residuals[int(generator.choice(like))]
        return drawn

    def rank_correlation(self) -> float:
        """Spearman's correlation of predicted and measured final errors, by 10-fold cross-validation."""
        predicted = np.empty(len(self._features))
        for train, left in KFold(FOLDS, shuffle=True, random_state=0).split(self._features):
            trees = _regression().fit(self._features[train], self._curves[train])
            predicted[left] = trees.predict(self._features[left])[:, -1]
        return float(spearmanr(predicted, self._curves[:, -1]).statistic)

    def _describe(self, config: Mapping[str, Any], costs: Mapping[str, float]) -> list[float]:
        """The features of a network: logarithms of its costs, and its Config's fields; -1 for missing fields."""
        fields = dict(_fields(config))
        values = [math.log10(costs[cost]) for cost in ("macs", "params", "activations")]
        for name in self._names:
            value = fields.get(name, -1.0)
            if isinstance(value, str):
                value = float(self._words[name].index(value)) if value in self._words[name] else -1.0
            values.append(float(value))
        return values


def _fields(config: Mapping[str, Any]) -> Iterator[tuple[str, float | str]]:
    """The fields of a Config; a list becomes its values, their sum and their number."""
    yield "family", str(config["family"])
    for name, value in config["config"].items():
        if isinstance(value, list):
            yield f"{name}.sum", float(sum(value))
            yield f"{name}.count", float(len(value))
            yield from ((f"{name}.{index}", float(inner)) for index, inner in enumerate(value))
        elif value is not None:
            yield name, value if isinstance(value, str) else float(value)


def mean_curve(network: TableNetwork) -> np.ndarray:
    """Errors after each epoch, (epochs,), mean over the network's seeds."""
    mean: np.ndarray = np.mean([np.array(curve) for curve in network.errors.values()], axis=0)
    return mean


def residuals(networks: Sequence[TableNetwork]) -> tuple[np.ndarray, np.ndarray]:
    """For each training of networks with several seeds: the network's mean final error, and the training's deviation.

    Returns final errors, (n,), and deviations from the mean curve, (n, epochs). Deviations are multiplied by
    sqrt(k / (k - 1)), because the mean over k seeds includes the training itself.
    """
    repeated = [network for network in networks if len(network.errors) > 1]
    finals, found = [], []
    for network in repeated:
        mean, count = mean_curve(network), len(network.errors)
        for curve in network.errors.values():
            finals.append(mean[-1])
            found.append((np.array(curve) - mean) * math.sqrt(count / (count - 1)))
    return np.array(finals), np.array(found)


def _regression() -> ExtraTreesRegressor:
    return ExtraTreesRegressor(TREES, min_samples_leaf=2, max_features=0.5, random_state=0, n_jobs=1)
