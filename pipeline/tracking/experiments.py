"""MLflow's experiments: their names, descriptions, and how their pages open.

MLflow 3.17 decides by the tag mlflow.experimentKind whether an experiment's page lists runs or traces of a GenAI app.
It stores a view of the page (columns, charts) as JSON in a tag whose key is part of the page's address.
"""

import json
from collections.abc import Mapping
from urllib.parse import urlencode

from pipeline.tracking.content import GROUP_EXPERIMENT, REPORT_EXPERIMENT, SEARCH_EXPERIMENT, printable
from pipeline.tracking.location import PREFIX

VIEW = "convstudy"
"""Key of the view in which pages open."""

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as an experiment's description."""

_NAMES = {GROUP_EXPERIMENT: "networks", SEARCH_EXPERIMENT: "searches", REPORT_EXPERIMENT: "reports", "train": "single"}
EXPERIMENTS = tuple(_NAMES)
_RUNS = "Each training is a run below its network: curves per epoch, costs, settings, and the trained model."
_CHART = (
    "The chart view draws the error against MACs. Filter with, for example, `tags.family = 'resnet'` or "
    "`metrics.macs < 3000000`."
)
_NOTES = {
    GROUP_EXPERIMENT: (
        "Networks of the study and of claims' experiments, each trained with several seeds.\n\n"
        "A run without a parent is a network: mean scores with intervals, and learning curves under *Artifacts*. "
        f"{_RUNS}\n\n{_CHART}\n\nMade by `convstudy reproduce`, `convstudy experiment` and `dvc repro`."
    ),
    SEARCH_EXPERIMENT: (
        "Searches for the best networks within limits.\n\n"
        "A run without a parent is a study: hypervolume and lowest error over trials, and its front and report under "
        f"*Artifacts*. Its trials and retrained finalists are the runs below it. {_CHART}\n\n"
        "Made by `convstudy search` and `convstudy finalists`."
    ),
    REPORT_EXPERIMENT: (
        "Reports: one run per profile, with `report.html`, figures and verdicts (tags `verdict.<claim>`) as they were "
        "last written.\n\nMade by `convstudy report` and `dvc repro`."
    ),
    "train": f"Single trainings. {_RUNS}\n\n{_CHART}\n\nMade by `convstudy train`.",
}
_SHOWN = ("validation_error_percent", "test_error_percent", "macs", "params", "latency_seconds", "base_learning_rate")
_COLUMNS = ("tags.`family`", *(f"metrics.`{name}`" for name in _SHOWN))
_CHARTS = (
    ("SCATTER", "Validation error (%) against MACs", "macs"),
    ("SCATTER", "Validation error (%) against parameters", "params"),
    ("LINE", "Validation error (%) by epoch", "validation_error_percent"),
    ("LINE", "Lowest error (%) by trial", "best_error_percent"),
    ("LINE", "Hypervolume by trial", "hypervolume"),
)


def experiment_name(experiment: str, prefix: str = PREFIX) -> str:
    """MLflow's name of an experiment."""
    return f"{prefix}/{printable(_NAMES.get(experiment, experiment))}"


def former_name(experiment: str) -> str | None:
    """The name that earlier versions gave an experiment, where it differs."""
    return f"{PREFIX}/{experiment}" if experiment in _NAMES else None


def experiment_tags(experiment: str, report: str | None = None) -> Mapping[str, str]:
    """Tags that describe an experiment; `report` is the address of the latest report, relative to MLflow's pages."""
    note = _NOTES.get(experiment, f"Trainings of {printable(experiment)}. {_RUNS}\n\n{_CHART}")
    link = "" if report is None else f"\n\n[The latest report]({report})"
    return {
        "mlflow.experimentKind": "custom_model_development",
        NOTE: note + link,
        f"mlflow.sharedViewState.{VIEW}": json.dumps(_view(experiment)),
    }


def runs_page(experiment_id: str | None) -> str:
    """The page that lists an experiment's runs, or all experiments, relative to the server's address."""
    if experiment_id is None:
        return "/#/experiments?" + urlencode({"workflowType": "machine_learning"})
    where = {"workflowType": "machine_learning", "viewStateShareKey": VIEW}
    return f"/#/experiments/{experiment_id}/runs?{urlencode(where)}"


def artifact_page(experiment_id: str, run_id: str, path: str) -> str:
    """The page that shows an artifact of a run, relative to MLflow's pages."""
    return f"#/experiments/{experiment_id}/runs/{run_id}/artifacts/{path}"


def _view(experiment: str) -> dict[str, object]:
    """The view of an experiment's page: networks stand above their trainings, other trainings in order of their error.

    MLflow shows runs below their parents only where they are in order of their dates.
    """
    charts = []
    for number, (kind, title, metric) in enumerate(_CHARTS):
        chart: dict[str, object] = {"type": kind, "uuid": f"convstudy-{number}", "displayName": title}
        chart |= {"metricSectionId": "convstudy", "deleted": False, "isGenerated": False, "runsCountToCompare": 100}
        if kind == "SCATTER":
            chart |= {"xaxis": _axis(metric), "yaxis": _axis("validation_error_percent")}
        else:
            chart |= {
                "metricKey": metric,
                "selectedMetricKeys": [metric],
                "xAxisKey": "step",
                "useGlobalXaxisKey": True,
            }
        charts.append(chart)
    section = {"uuid": "convstudy", "name": "Study", "display": True, "isReordered": False, "deleted": False}
    nested = experiment in (GROUP_EXPERIMENT, REPORT_EXPERIMENT)
    order = {} if nested else {"orderByKey": "metrics.`validation_error_percent`", "orderByAsc": True}
    return {
        **order,
        "selectedColumns": list(_COLUMNS),
        "columnOrder": ["attributes.`Run Name`", "runDateAndNestInfo", *_COLUMNS],
        "runsHiddenMode": "SHOW_ALL",
        "compareRunCharts": charts,
        "compareRunSections": [{**section, "isGenerated": False}],
    }


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}
