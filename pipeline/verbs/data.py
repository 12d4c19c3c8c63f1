"""The verbs of data: prepare, contact-sheet."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.errors import UsageError
from pipeline.verbs.options import Data, Output, verb
from pipeline.workspace import current_workspace


@verb("convstudy prepare ~/photos", "convstudy prepare ~/labels.csv --name birds --image-size 64 --skip-bad")
def prepare(
    out: Output,
    source: Annotated[
        str,
        typer.Argument(
            help="fashion-mnist, mnist, kmnist, cifar10, cifar100, a folder of class folders, or a CSV file."
        ),
    ] = "fashion-mnist",
    name: Annotated[str | None, typer.Option(help="Name of the data set; default: the source's.")] = None,
    image_size: Annotated[str, typer.Option(help="Side in pixels; auto: that of the images, or 32.")] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of the split.")] = 0,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip unusable files.")] = False,
    group_by: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Keep files with equal first group in one split.")
    ] = None,
    given: Annotated[Path | None, typer.Option("--from", help="Folder with the files of a named source.")] = None,
) -> None:
    """Obtain, check and split images into data/prepared."""
    from pipeline.data.prepare import prepare as prepare_data
    from pipeline.schema import to_json

    if image_size != "auto" and not image_size.isdecimal():
        raise UsageError(f"--image-size (={image_size}) must be a number of pixels, or auto")
    workspace = current_workspace()
    manifest = prepare_data(
        source,
        workspace.raw_data,
        workspace.prepared_data,
        name=name,
        image_size=None if image_size == "auto" else int(image_size),
        seed=seed,
        skip_bad=skip_bad,
        group_by=group_by,
        given_folder=given,
        tell=out.line,
    )
    out.answer({**to_json(manifest), "fingerprint": manifest.fingerprint})


@verb("convstudy contact-sheet augmented", "convstudy contact-sheet augmented --data photos --output sheet.png")
def contact_sheet(
    out: Output,
    recipe: Annotated[str, typer.Argument(help="Recipe in params.yaml with augmentations.")] = "augmented",
    output: Annotated[Path, typer.Option(help="PNG file to write.")] = Path("contact-sheet.png"),
    data: Data = None,
    seed: Annotated[int, typer.Option(help="Seed of the augmentations.")] = 0,
) -> None:
    """Draw training images with a recipe's augmentations."""
    from pipeline.actions.inputs import open_data
    from pipeline.reporting.charts.contact_sheet import write_contact_sheet

    settings, folder, _ = open_data(current_workspace(), data)
    write_contact_sheet(folder, settings.recipe_named(recipe), seed, output)
    out.line(f"{output}: one image per row, first the original, then augmented versions")
    out.answer({"recipe": recipe, "data": str(folder), "output": str(output)})
