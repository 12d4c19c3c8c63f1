"""Reads what a user names: a network, a prepared data set."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.data.manifest import Manifest, load_manifest
from pipeline.errors import UsageError
from pipeline.settings import Settings, read_settings
from pipeline.workspace import Workspace

GivenNetwork = str | Mapping[str, Any]
"""Name of a reference, path of a CONFIG.json, or the content of such a file."""


def read_network(given: GivenNetwork) -> tuple[str, dict[str, Any] | None]:
    """Return a name and the given Config: (name, None) for a reference, else (stem of the file, or family; content).

    Raises UsageError if the file cannot be read or does not hold a JSON object.
    """
    if isinstance(given, Mapping):
        return str(given.get("family", "network")), dict(given)
    if not given.endswith(".json"):
        return given, None
    path = Path(given)
    try:
        value = json.loads(path.read_text())
    except OSError as error:
        raise UsageError(f"cannot read {given}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{given} is not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise UsageError(f'{given} must hold {{"family": "…", "config": {{…}}}}')
    return path.stem, value


def data_folder(workspace: Workspace, data: str) -> Path:
    """The folder of a prepared data set, from its name or its folder."""
    return Path(data) if (Path(data) / "manifest.json").exists() else workspace.prepared_data / data


def open_data(workspace: Workspace, data: str | None) -> tuple[Settings, Path, Manifest]:
    """The workspace's settings, and the folder and manifest of a prepared data set (None: the one in the settings).

    Raises DataError if it is not prepared.
    """
    settings = read_settings(workspace.params_file)
    folder = data_folder(workspace, data or settings.data.name)
    return settings, folder, load_manifest(folder)
