"""Stage `prepare`: writes the data set of params.yaml to data/prepared, as verified arrays."""

from pipeline.data.prepare import prepare
from pipeline.process import run_stage
from pipeline.settings import read_settings
from pipeline.workspace import current_workspace


def main() -> None:
    """Prepare the data set of params.yaml."""
    workspace = current_workspace()
    data = read_settings(workspace.params_file).data
    prepare(
        data.source,
        workspace.raw_data,
        workspace.prepared_data,
        name=data.name,
        image_size=data.image_size,
        seed=data.seed,
        skip_bad=data.skip_bad,
        group_by=data.group_by,
    )


if __name__ == "__main__":
    run_stage("prepare", current_workspace().locks, main)
