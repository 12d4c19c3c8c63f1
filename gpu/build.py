"""Builds the archive: code, prepared data, published records, and the wheels that a machine with PyTorch alone lacks.

`make gpu-bundle` (or `python -m gpu.build`) writes dist/convstudy-gpu.tar.gz. There: unpack it, and
`python gpu/run.py --profile gpu` as often as it takes; each time it ends within `--minutes`, goes on where it was, and
leaves records.tar.gz. Here: `python -m gpu.collect records.tar.gz NAME` publishes what was brought back.
"""

import argparse
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.claims.claim_records import ON_A_GPU
from pipeline.data.manifest import load_manifest
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace

LEVEL = 6
"""Of compression: the highest takes ten times as long for 1 % less."""
CODE = ("pipeline", "search_spaces", "gpu", "params.yaml", "reports/claims.yaml", "pyproject.toml")
PACKAGES = (
    "annotated-types", "filelock", "pebble", "psutil", "pydantic", "pydantic-core", "PyYAML", "safetensors",
    "typing-extensions", "typing-inspection",
)  # fmt: skip
"""What the trainings need beside PyTorch, NumPy and SciPy; no DVC, no MLflow, no report."""


def main() -> None:
    """Write the archive and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="3.12", help="the Python of the machine with the GPU")
    parser.add_argument("--output", type=Path, default=Path("dist/convstudy-gpu.tar.gz"))
    arguments = parser.parse_args()
    print(build(arguments.output, arguments.python))


def build(output: Path, python: str) -> str:
    """Write the archive for a version of Python on Linux, x86-64; raises DataError where no data are prepared."""
    workspace = current_workspace()
    name = read_settings(workspace.params_file).data.name
    load_manifest(workspace.prepared_data / name)
    output.parent.mkdir(parents=True, exist_ok=True)
    with (
        TemporaryDirectory() as folder,
        tarfile.open(output, "w:gz", dereference=True, compresslevel=LEVEL) as archive,
    ):
        _download(_pinned(workspace.root / "requirements.lock"), python, Path(folder))
        for wheel in sorted(Path(folder).glob("*.whl")):
            archive.add(wheel, f"wheels/{wheel.name}")
        for part in CODE:
            archive.add(workspace.root / part, part, filter=_without_caches)
        for record in sorted(workspace.published.glob(f"claims/*/*.{ON_A_GPU}.json")):
            archive.add(record, str(record.relative_to(workspace.root)))
        archive.add(workspace.prepared_data / name, f"data/prepared/{name}")
    return f"{output}: {output.stat().st_size / 2**20:.0f} MiB"


def _pinned(lock: Path) -> list[str]:
    """The packages in the versions of the lock file."""
    wanted = {package.lower().replace("_", "-") for package in PACKAGES}
    lines = [line.strip() for line in lock.read_text().splitlines() if "==" in line]
    return [line for line in lines if line.split("==")[0].lower().replace("_", "-") in wanted]


def _download(requirements: list[str], python: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary=:all:", f"--python-version={python}", "--dest", str(target)]
    command += [
        f"--platform={tag}" for tag in ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
    ]
    subprocess.run([*command, *requirements], check=True)


def _without_caches(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in info.name or info.name.endswith(".pyc") else info


if __name__ == "__main__":
    main()
