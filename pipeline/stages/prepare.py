"""Stage `prepare`: the study's data set, as params.yaml names it, becomes verified arrays in data/prepared."""

from pipeline.data.prepare import prepare
from pipeline.process import run_stage
from pipeline.settings import read_settings
from pipeline.workspace import workspace


def main() -> None:
    """Prepare the data set of params.yaml."""
    place = workspace()
    data = read_settings(place.params_file).data
    prepare(
        data.source, place.raw_data, place.prepared_data, name=data.name, image_size=data.image_size, seed=data.seed
    )


if __name__ == "__main__":
    run_stage("prepare", workspace().locks, main)
