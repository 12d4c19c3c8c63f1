"""What a study found, in one line. `python -m pipeline.reporting.summary` prints it; it loads no PyTorch."""

from dataclasses import field

from pydantic.dataclasses import dataclass

from pipeline.process import run_and_exit
from pipeline.schema import STRICT, read_optional
from pipeline.workspace import current_workspace


@dataclass(frozen=True, config=STRICT)
class Metrics:
    """`reports/results/metrics.json`.

    Attributes:
        test_error_percent: mean over seeds, by network.
        finalist_test_error_percent: the lowest mean of a search's finalists, by study.
        claims: number of claims, by verdict.
    """

    test_error_percent: dict[str, float] = field(default_factory=dict)
    finalist_test_error_percent: dict[str, float] = field(default_factory=dict)
    claims: dict[str, int] = field(default_factory=dict)


def summary(metrics: Metrics) -> str:
    """The best network, the best finalist of each search, and the number of claims by verdict."""
    found = []
    if errors := metrics.test_error_percent:
        best = min(errors, key=errors.__getitem__)
        found.append(f"{best} has the lowest test error of all {len(errors)}, {errors[best]:.2f} %")
    for study, error in metrics.finalist_test_error_percent.items():
        found.append(f"the best finalist of {study} has {error:.2f} %")
    if metrics.claims:
        verdicts = ", ".join(f"{count} {verdict.replace('holds', 'hold')}" for verdict, count in metrics.claims.items())
        found.append(f"of {sum(metrics.claims.values())} claims: {verdicts}")
    return "found: " + ("; ".join(found) or "nothing has been trained")


def main() -> None:
    """Print the summary of the workspace's report, if there is one."""
    if metrics := read_optional(Metrics, current_workspace().results / "metrics.json"):
        print(summary(metrics))


if __name__ == "__main__":
    run_and_exit(main)
