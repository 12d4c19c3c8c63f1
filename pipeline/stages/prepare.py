"""Stage `prepare`: the study's data set, as params.yaml names it, becomes verified arrays in data/prepared."""

from pathlib import Path

from pipeline.data.prepare import prepare
from pipeline.data.sources import NAMED
from pipeline.process import run_stage
from pipeline.settings import read_settings
from pipeline.workspace import workspace


def main() -> None:
    """Prepare the data set of params.yaml."""
    place = workspace()
    data = read_settings(place.params_file).data
    prepare(
        data.source if data.source in NAMED else str(Path(data.source).expanduser()),
        place.raw_data,
        place.prepared_data,
        name=data.name,
        image_size=data.image_size,
        seed=data.seed,
        skip_bad=data.skip_bad,
        group_by=data.group_by,
    )


if __name__ == "__main__":
    run_stage("prepare", workspace().locks, main)
