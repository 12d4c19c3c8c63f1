"""Statistics of repeated runs: a mean with its interval, and flags that warn a reader.

The unit of repetition is the seed. Intervals are Student's, over seeds. They show how far the mean would move with
other seeds on the same data. They say nothing about other images.
"""

import math
import statistics
from collections.abc import Sequence

from scipy.special import bdtr, stdtrit

from pipeline.evidence.records import Interval

NO_RATE_TRAINS = "no learning rate trains it"
"""The flag of a network without runs."""
AT_THE_EDGE = "best learning rate at the edge of the grid"
"""The flag of a network whose error might be lower at a rate that was not tried."""
IN_MICRO_BATCHES = "trainings in micro-batches"
"""End of the flag of a network with trainings that were split to fit into memory, after a count such as "2 of 9"."""
AT_CHANCE_LEVEL = "at chance level"
"""The flag of a network that learnt nothing: its error is no evidence about its design."""

_CHANCE_STANDARD_ERRORS = 3.0
_CHANCE_IMAGES = 1000


def edf_half_width(count: int, confidence: float = 0.95) -> float:
    """Half the height of a band that holds for a whole empirical distribution of `count` values at once.

    From the inequality of Dvoretzky, Kiefer and Wolfowitz with Massart's constant (1990).
    """
    return math.sqrt(math.log(2 / (1 - confidence)) / (2 * count))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The mean of independent values with its two-sided Student's t interval.

    mean ± t(n - 1, (1 + confidence) / 2) * s / sqrt(n), where s is the sample standard deviation (divisor n - 1).

    Args:
        values: one number per seed, all in one unit.
        confidence: probability with which such intervals cover the mean, for normally distributed values.

    Returns:
        Mean, interval and n; the interval is None below two values. None if there is no value at all.

    Raises:
        ValueError: a value is not finite, or `confidence` is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence (={confidence}) must be between 0 and 1")
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"values (={list(values)}) must be finite")
    n = len(values)
    if n == 0:
        return None
    mean = statistics.mean(values)
    if n == 1:
        return Interval(mean, None, 1)
    half_width = float(stdtrit(n - 1, (1 + confidence) / 2)) * statistics.stdev(values) / math.sqrt(n)
    return Interval(mean, (mean - half_width, mean + half_width), n)


def median_interval(values: Sequence[float], confidence: float = 0.95) -> Interval | None:
    """The median with the narrowest interval of order statistics that covers it with at least `confidence`.

    From the sign test, valid for any distribution. The interval is None if there are too few values for one (below 6 at
    95 %); the result is None if there is no value at all. `mean` of the result is the median.
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence (={confidence}) must be between 0 and 1")
    n = len(values)
    if n == 0:
        return None
    ordered = sorted(values)
    outside = 0
    while outside < n // 2 and 1 - 2 * float(bdtr(outside, n, 0.5)) >= confidence:
        outside += 1
    interval = (ordered[outside - 1], ordered[n - outside]) if outside else None
    return Interval(statistics.median(ordered), interval, n)


def chance_error_percent(classes: int) -> float:
    """The expected error of guessing among equally frequent classes: 100 * (1 - 1 / classes)."""
    if classes < 1:
        raise ValueError(f"classes (={classes}) must be at least 1")
    return 100 * (1 - 1 / classes)


def mean_error_percent(errors: Sequence[float | None], classes: int) -> float:
    """Mean error of trainings in percent. None, the error of a failed training, counts at chance level."""
    guessing = chance_error_percent(classes)
    return sum(guessing if error is None else error for error in errors) / len(errors)


def chance_threshold_percent(classes: int) -> float:
    """The lowest error at which a run cannot be distinguished from chance.

    Guessing scores the chance error p with binomial noise of standard error sqrt(p * (1 - p) / images). The
    threshold lies three standard errors below p, for 1,000 images: 87.2 % for 10 classes, 45.3 % for 2. A larger
    validation sample could show smaller departures from chance, but a network that departs so little has still learnt
    nothing worth comparing. The spread over seeds cannot replace it. Seeds share one validation sample, so networks
    that all predict one class agree to the digit, and a t test would find them "significantly" better than chance.
    """
    p = chance_error_percent(classes) / 100
    return 100 * (p - _CHANCE_STANDARD_ERRORS * math.sqrt(p * (1 - p) / _CHANCE_IMAGES))


def flags_of(validation_errors_percent: Sequence[float], classes: int, failed: int) -> tuple[str, ...]:
    """Flags to report with a network's scores.

    Args:
        validation_errors_percent: final validation errors of the seeds that completed, in percent.
        classes: number of classes, taken as equally frequent.
        failed: number of seeds that failed.

    Returns:
        "no seed completed"; or "at chance level" where the mean error is indistinguishable from guessing, else
        "k of n seeds at chance level" where only some are; and "k of n seeds failed".
    """
    completed = len(validation_errors_percent)
    if completed == 0:
        return ("no seed completed",)
    threshold = chance_threshold_percent(classes)
    flags = []
    at_chance = sum(error >= threshold for error in validation_errors_percent)
    if statistics.mean(validation_errors_percent) >= threshold:
        flags.append(AT_CHANCE_LEVEL)
    elif at_chance:
        flags.append(f"{at_chance} of {completed} seeds {AT_CHANCE_LEVEL}")
    if failed:
        flags.append(f"{failed} of {completed + failed} seeds failed")
    return tuple(flags)
