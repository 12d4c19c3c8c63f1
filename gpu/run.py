"""Runs the study with only Python, PyTorch, NumPy and SciPy; needs no DVC, MLflow or network.

Repeat `python gpu/run.py --profile gpu --minutes 8` in the unpacked archive until it is done: finished runs are kept,
interrupted ones resume from their last checkpoint. Exit code 0: done; 75: call again; others: an error. Bring
records.tar.gz back. To continue on another machine, pass it with `--continue-from`; it holds no weights or checkpoints.
"""

import argparse
import os
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
SITE = HOME / "site"
AGAIN = 75
"""Exit code EX_TEMPFAIL of sysexits.h: try again."""


def main() -> int:
    """Unpack the wheels, train until the time is over, pack the records; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="gpu")
    parser.add_argument("--only", default="", help="only these groups, experiments and timings, separated by commas")
    parser.add_argument("--minutes", type=float, default=8.0, help="interrupt the trainings after this time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, help="trainings at once; default: as many as fit on the GPU")
    parser.add_argument("--output", type=Path, default=HOME / "records.tar.gz")
    parser.add_argument("--published", action="store_true", help="reuse published runs of GPU experiments")
    parser.add_argument("--continue-from", type=Path, help="an earlier records.tar.gz")
    arguments = parser.parse_args()
    _unpack_wheels()
    if arguments.continue_from:
        with tarfile.open(arguments.continue_from) as archive:
            archive.extractall(HOME, filter="data")
    environment = {
        **os.environ,
        "CONVSTUDY_HOME": str(HOME),
        "PYTHONPATH": os.pathsep.join([str(HOME), str(SITE), *filter(None, [os.environ.get("PYTHONPATH")])]),
    }
    command = [sys.executable, "-m", "gpu.study", arguments.profile, "--device", arguments.device]
    command += ["--workers", str(arguments.workers or 0), "--only", arguments.only]
    command += ["--published"] if arguments.published else []
    code = _wait(subprocess.Popen(command, env=environment, cwd=HOME), 60 * arguments.minutes)
    _pack(arguments.output)
    return code


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    """The exit code of a process; AGAIN if it had to be interrupted after `seconds`."""
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        return AGAIN


def _unpack_wheels() -> None:
    """Unpack each wheel into SITE, once."""
    for wheel in sorted((HOME / "wheels").glob("*.whl")):
        mark = SITE / f".{wheel.name}"
        if not mark.exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(SITE)  # noqa: S202 - zipfile keeps members inside, and we built the archive
            mark.touch()


def _pack(output: Path) -> None:
    """Pack all records, without weights and checkpoints."""
    with tarfile.open(output, "w:gz") as archive:
        for path in sorted((*HOME.glob("runs/*/*.json"), *HOME.glob("reports/results/*/*.json"))):
            if path.name != "progress.json":
                archive.add(path, str(path.relative_to(HOME)))


if __name__ == "__main__":
    sys.exit(main())
