"""Stage `prepare`: the images of a source become verified arrays in the workspace's `data/prepared`."""

import argparse
from pathlib import Path

from pipeline.data.prepare import prepare
from pipeline.workspace import workspace


def main(argv: list[str] | None = None) -> None:
    """Prepare one data set; options as those of `pipeline.data.prepare.prepare`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="fashion-mnist", help="a named source, a folder, or a CSV table")
    parser.add_argument("--name", help="the data set's name; default: the source's")
    parser.add_argument("--seed", type=int, default=0, help="of the split")
    parser.add_argument("--image-size", type=int, help="side in pixels; default: the images' own, or 32")
    parser.add_argument("--skip-bad", action="store_true", help="leave unusable files out")
    parser.add_argument("--group-by", metavar="REGEX", help="its first group, in a file's path, stays in one split")
    parser.add_argument("--raw", type=Path, metavar="FOLDER", help="where a named source's files may lie")
    options = parser.parse_args(argv)
    place = workspace()
    prepare(
        options.source,
        place.raw_data,
        place.prepared_data,
        name=options.name,
        image_size=options.image_size,
        seed=options.seed,
        skip_bad=options.skip_bad,
        group_by=options.group_by,
        given_folder=options.raw,
    )


if __name__ == "__main__":
    main()
