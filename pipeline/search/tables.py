"""Text tables of studies and finalists for the terminal."""

from pipeline.cost.table import COSTS
from pipeline.evidence.finalist_records import FinalistsRecord
from pipeline.evidence.records import Interval
from pipeline.evidence.study_records import StudyRecord
from pipeline.files import canonical_json


def tabulate(record: StudyRecord) -> str:
    """A study as text: its counts, then one line for each member of its front."""
    costs = record.costs
    volume = f", hypervolume {record.hypervolume[-1]:.4f}" if record.hypervolume else ""
    lines = [
        f"study {record.study}: {record.state}, {record.counted} counted, {record.refused} refused, "
        f"{record.duplicates} duplicates{volume}",
        f"{'trial':>5}  {'error %':>8}  " + "  ".join(f"{cost.key:>16}" for cost in costs) + "  network",
    ]
    for trial in record.front_trials:
        shown = "  ".join(f"{cost.unit.show(trial.costs[cost.key]):>16}" for cost in costs)
        network = f"{trial.config['family']} {canonical_json(trial.config['config'])}"
        lines.append(f"{trial.number:>5}  {trial.errors[-1]:>8.2f}  {shown}  {network}")
    if record.guessing_note is not None:
        lines.append(f"note: {record.guessing_note}")
    return "\n".join(lines)


def tabulate_finalists(record: FinalistsRecord) -> str:
    """Finalists as text: the members with their errors, then the comparisons."""
    macs = COSTS["macs"].unit
    lines = [
        f"{'trial':>5}  {'MACs':>8}  {'search error %':>14}  {'validation error %':<24}  {'test error %':<24}  network"
    ]
    for member in record.members:
        lines.append(
            f"{member.trial:>5}  {macs.show(member.macs):>8}  {member.search_error_percent:>14.2f}  "
            f"{_interval(member.validation_error_percent):<24}  {_interval(member.test_error_percent):<24}  "
            f"{member.config['family']} {canonical_json(member.config['config'])}"
        )
    if record.winners_curse_points is not None:
        lines.append(f"retrained minus search score (winner's curse): {_interval(record.winners_curse_points)} points")
    for item in record.comparisons:
        ends = f" [{item.interval[0]:+.2f}, {item.interval[1]:+.2f}]" if item.interval else ""
        lines.append(
            f"trial {item.trial} against {item.against} {item.name} ({macs.show(item.macs)} MACs): "
            f"{item.difference:+.2f}{ends} points (n={item.n}): {item.verdict}"
        )
    return "\n".join([*lines, *(f"note: {sentence}" for sentence in record.notes)])


def _interval(summary: Interval | None) -> str:
    if summary is None:
        return "none"
    ends = f" [{summary.interval[0]:.2f}, {summary.interval[1]:.2f}]" if summary.interval else ""
    return f"{summary.mean:.2f}{ends} (n={summary.n})"
