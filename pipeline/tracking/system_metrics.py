"""System metrics of MLflow: load of processor, memory, disk, network and cards while a run trains.

Off by default. MLflow's own setting turns them on: MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=true. They describe the whole
machine, as seen by the driver, every 10 seconds (MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL).
"""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

SETTING = "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING"


class SystemMetrics:
    """The monitors of all runs in progress, each a thread."""

    def __init__(self) -> None:
        self.wanted = os.environ.get(SETTING, "").lower() in ("true", "1")
        self._monitors: dict[str, SystemMetricsMonitor] = {}

    def start(self, uri: str, run_id: str) -> None:
        """Monitor a run, if the user wants that."""
        if not self.wanted or run_id in self._monitors:
            return
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        monitor = SystemMetricsMonitor(run_id, resume_logging=True, tracking_uri=uri)  # type: ignore[no-untyped-call]
        monitor.start()  # type: ignore[no-untyped-call]
        self._monitors[run_id] = monitor

    def stop(self, run_id: str | None) -> None:
        """Write what was measured last, and end the run's monitor."""
        monitor = self._monitors.pop(run_id or "", None)
        if monitor is not None:
            monitor.finish()  # type: ignore[no-untyped-call]

    def stop_all(self) -> None:
        """End all monitors."""
        for run_id in list(self._monitors):
            self.stop(run_id)
