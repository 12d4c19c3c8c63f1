"""Candidates of a search: networks that are new to the study and within its limits, drawn before any training.

Refused and duplicate candidates are drawn again within the same draw of Optuna and enter no history (`sampler_view`).
Every draw's random numbers come from (seed, trial number), so that a study that is continued goes on as it would have.
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
"""Draws a sampler gets for one trial; then candidates are drawn uniformly, which is cheap and finds what there is."""
UNIFORM_DRAWS = 20_000
WALKED_SPACE = 200_000
"""Where UNIFORM_DRAWS found nothing, a space up to this size is walked to its end. In a larger one those networks are,
within the limits, that changes of one parameter at a time lead to from the cheapest network of each part."""


class Candidates:
    """Draws the next network of a study.

    `measure` gives the costs that only a built network has, if any are limited; `warm` are another study's trials, from
    which the sampler learns.
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
        """This network is in the study: it is not drawn again."""
        self._known.add(canonical_json(trial.config))
        self._scarce |= trial.refused + trial.duplicates >= UNIFORM_DRAWS

    def next(self, number: int, stop: Callable[[], bool] = lambda: False) -> Trial | None:
        """Trial `number`, not begun yet, or None where the space has no new network within the limits.

        `refused` and `duplicates` then say how many were put aside. None, too, as soon as `stop` says so, which is
        asked before each draw.
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
        """The next new network of a walk, which is the same for every driver of the study."""
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
        """Every network of the space, in an order of chance."""
        points = list(self.space.points())
        np.random.default_rng(derive_seed(self.plan.seed, "walk")).shuffle(points)
        yield from points

    def _connected(self) -> Iterator[dict[str, Any]]:
        """Networks within the limits, each beside one that came before it; the next one by chance."""
        generator = np.random.default_rng(derive_seed(self.plan.seed, "walk"))
        cheapest = self.space.least_points(partial(excess, self.plan))
        border = [point for point in cheapest if excess(self.plan, self.space.design(point)) <= 0]
        met = {canonical_json(described(self.space.design(point))) for point in border}
        while border:
            index = int(generator.integers(len(border)))
            border[index], border[-1] = border[-1], border[index]
            point = border.pop()
            yield point
            for beside in self.space.neighbours(point):
                design = self.space.design(beside)
                key = canonical_json(described(design))
                if key not in met and excess(self.plan, design) <= 0:
                    met.add(key)
                    border.append(beside)

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
    """The run of a network under a study's recipe, with the study's own seed."""
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
