"""Builds the archive for a GPU machine: code, prepared data, published records, and wheels that it lacks.

1. Here: `make gpu-bundle` (or `python -m gpu.build`) writes dist/convstudy-gpu.tar.gz.
2. On the GPU machine: unpack it, and repeat `python gpu/run.py --profile gpu` until it is done. Each call ends after
   `--minutes`, resumes the last one, and writes records.tar.gz.
3. Here: `python -m gpu.collect records.tar.gz NAME` publishes the records.
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
"""Compression level. The highest level takes ten times as long and saves 1 %."""
CODE = ("pipeline", "search_spaces", "gpu", "params.yaml", "reports/claims.yaml", "pyproject.toml")
PACKAGES = (
    "annotated-types", "filelock", "pebble", "psutil", "pydantic", "pydantic-core", "PyYAML", "safetensors",
    "typing-extensions", "typing-inspection",
)  # fmt: skip
"""Packages that trainings need besides PyTorch, NumPy and SciPy. DVC, MLflow and the report are not needed."""


def main() -> None:
    """Write the archive and print its size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default="3.12", help="Python version of the GPU machine")
    parser.add_argument("--output", type=Path, default=Path("dist/convstudy-gpu.tar.gz"))
    arguments = parser.parse_args()
    print(build(arguments.output, arguments.python))


def build(output: Path, python: str) -> str:
    """Write the archive for a Python version on Linux x86-64. Raises DataError if the data are not prepared."""
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
    """PACKAGES with their versions in the lock file."""
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
