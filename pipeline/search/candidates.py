"""Candidates of a search: networks that are new to the study and within its limits, drawn before any training.

A refused or duplicate candidate is replaced within the same Optuna trial and enters no history (`sampler_view`). The
random numbers of a draw depend on (seed, trial number), so a resumed study draws the same networks.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from pipeline.evidence.records import RunSpec
from pipeline.evidence.study_records import SearchPlan, Trial
from pipeline.files import canonical_json
from pipeline.search.gate import MeasuredCosts, costs_of, described, excess, over
from pipeline.search.sampler_view import USUAL_DRAWS, SamplerView
from pipeline.training.seeding import derive_seed
from search_spaces import Space

SAMPLER_DRAWS: dict[str, int] = {"gp": 8, "random": 0}
"""Draws that a sampler gets for one trial. After that, candidates are drawn uniformly, which is cheap."""
UNIFORM_DRAWS = 20_000
WALKED_SPACE = 200_000
"""If UNIFORM_DRAWS found nothing, a space up to this size is enumerated. In a larger space, the walk starts from the
cheapest network of each part and changes one parameter at a time, within the limits."""


class Candidates:
    """Draws the next network of a study.

    `measure` returns the costs that only a built network has, if they are needed. The sampler also learns from the
    trials in `warm`, which come from another study.
    """

    def __init__(
        self,
        plan: SearchPlan,
        space: Space,
        measure: MeasuredCosts = lambda design: {},
        warm: Sequence[Trial] = (),
    ) -> None:
        self.plan, self.space, self._measure = plan, space, measure
        self.view = SamplerView(plan, space)
        self.recalled = self.view.recall(warm)
        self._known: set[str] = set()
        self._walked: Iterator[dict[str, Any]] | None = None
        self._scarce = False
        self.refused = self.duplicates = 0

    def know(self, trial: Trial) -> None:
        """Remember that the study has this network, so that it is not drawn again."""
        self._known.add(canonical_json(trial.config))
        self._scarce |= trial.refused + trial.duplicates >= UNIFORM_DRAWS

    def next(self, number: int, stop: Callable[[], bool] = lambda: False) -> Trial | None:
        """Trial `number`, not started yet, or None if the space has no new network within the limits.

        Afterwards `refused` and `duplicates` count the rejected candidates. `stop` is called before each draw; the
        result is also None as soon as it returns True.
        """
        self.refused = self.duplicates = 0
        sampler = self.plan.sampler
        generator = np.random.default_rng(derive_seed(self.plan.seed, "uniform", number))
        draws = SAMPLER_DRAWS.get(sampler, USUAL_DRAWS)
        if draws:
            for values, uniform in self.view.draws(number, draws):
                if stop():
                    return None
                if trial := self._gate(number, values, "random" if uniform else sampler, self.view.attributes):
                    return trial
        for _ in range(0 if self._scarce else UNIFORM_DRAWS):
            if stop():
                return None
            if trial := self._gate(number, self.space.draw(generator), "random", {}):
                return trial
        return self._walk(number, stop)

    def _walk(self, number: int, stop: Callable[[], bool]) -> Trial | None:
        """The next new network of the walk, which has the same order for every driver of the study."""
        if self._walked is None:
            self._walked = self._all() if self.space.size <= WALKED_SPACE else self._connected()
        while not stop():
            values = next(self._walked, None)
            if values is None:
                return None
            if trial := self._gate(number, values, "walk", {}, count=False):
                return trial
        return None

    def _all(self) -> Iterator[dict[str, Any]]:
        """Every network of the space, in random order."""
        points = list(self.space.points())
        np.random.default_rng(derive_seed(self.plan.seed, "walk")).shuffle(points)
        yield from points

    def _connected(self) -> Iterator[dict[str, Any]]:
        """Networks within the limits, in random order; each differs in one parameter from an earlier one."""
        generator = np.random.default_rng(derive_seed(self.plan.seed, "walk"))
        cheapest = self.space.least_points(partial(excess, self.plan))
        border = [point for point in cheapest if excess(self.plan, self.space.design(point)) <= 0]
        met = {canonical_json(described(self.space.design(point))) for point in border}
        while border:
            index = int(generator.integers(len(border)))
            border[index], border[-1] = border[-1], border[index]
            point = border.pop()
            yield point
            for neighbour in self.space.neighbours(point):
                design = self.space.design(neighbour)
                key = canonical_json(described(design))
                if key not in met and excess(self.plan, design) <= 0:
                    met.add(key)
                    border.append(neighbour)

    def _gate(
        self, number: int, values: dict[str, Any], drawn_by: str, attributes: dict[str, Any], count: bool = True
    ) -> Trial | None:
        design = self.space.design(values)
        config = described(design)
        if canonical_json(config) in self._known:
            self.duplicates += count
            return None
        costs = costs_of(design, self.plan)
        if costs is not None and not over(costs, self.plan):
            costs |= self._measure(design)
        if costs is None or over(costs, self.plan):
            self.refused += count
            return None
        return Trial(
            number=number,
            config=config,
            values=values,
            costs=costs,
            run=spec_of(self.plan, config).hash,
            refused=self.refused,
            duplicates=self.duplicates,
            drawn_by=drawn_by,
            sampler_attributes=attributes,
        )


def spec_of(plan: SearchPlan, config: dict[str, Any]) -> RunSpec:
    """The run of a network with the study's recipe and seed."""
    return RunSpec(
        family=config["family"],
        config=config["config"],
        channels=plan.channels,
        classes=plan.classes,
        resolution=plan.resolution,
        recipe=plan.recipe,
        data=plan.data_fingerprint,
        seed=plan.seed,
        device=plan.device,
    )
