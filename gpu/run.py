"""Runs the study where only Python, PyTorch, NumPy and SciPy are installed; without DVC, MLflow or network.

`python gpu/run.py --profile gpu --minutes 8`, from the unpacked archive, as often as it takes: finished runs are kept,
interrupted ones go on from their last checkpoint. Exit code 0: it is done; 75: call again; else a fault.
records.tar.gz holds what is to be brought back; on another fresh machine `--continue-from` takes it up again, weights
and checkpoints excepted.
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
"""EX_TEMPFAIL of sysexits.h: try again."""


def main() -> int:
    """Unpack the wheels, work for so many minutes, pack the records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="gpu")
    parser.add_argument("--only", default="", help="these groups, experiments and timings alone, joined by commas")
    parser.add_argument("--minutes", type=float, default=8.0, help="after which the trainings are interrupted")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--workers", type=int, help="trainings at once; default: what fits on the card")
    parser.add_argument("--output", type=Path, default=HOME / "records.tar.gz")
    parser.add_argument("--published", action="store_true", help="take over what is published of experiments on a GPU")
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
    code = _for_so_long(subprocess.Popen(command, env=environment, cwd=HOME), 60 * arguments.minutes)
    _pack(arguments.output)
    return code


def _for_so_long(process: "subprocess.Popen[bytes]", seconds: float) -> int:
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        process.wait()
        return AGAIN


def _unpack_wheels() -> None:
    """A wheel is a zip of what is to lie on the path; each is unpacked once."""
    for wheel in sorted((HOME / "wheels").glob("*.whl")):
        mark = SITE / f".{wheel.name}"
        if not mark.exists():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(SITE)  # noqa: S202 - zipfile keeps members inside, and the wheels are our own
            mark.touch()


def _pack(output: Path) -> None:
    """All records, without weights and checkpoints."""
    with tarfile.open(output, "w:gz") as archive:
        for path in sorted((*HOME.glob("runs/*/*.json"), *HOME.glob("reports/results/*/*.json"))):
            if path.name != "progress.json":
                archive.add(path, str(path.relative_to(HOME)))


if __name__ == "__main__":
    sys.exit(main())
