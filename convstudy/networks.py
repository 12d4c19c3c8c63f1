"""Finished networks that classify images of any size."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from convstudy.places import workspace
from convstudy.reading import Study

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.models.finished import FinishedNetwork
    from pipeline.models.prediction import OneImage


@dataclass(frozen=True, repr=False)
class Network:
    """A trained network with its preprocessing and class names. `load` opens one.

    Attributes:
        run: address in the run store.
        finished: `finished.model` is the PyTorch module in eval mode, `finished.preparation` its preprocessing, and
            `finished.info` the metadata of its weights file.
    """

    run: str
    finished: "FinishedNetwork"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the network's outputs."""
        return self.finished.class_names

    def predict(self, images: "OneImage | Iterable[OneImage]", *, batch_size: int = 256) -> "pd.DataFrame":
        """Classify images of any size. They are preprocessed in the same way as the training images.

        Args:
            images: one image or several: file paths, Pillow images, or uint8 arrays of shape (H, W) or (H, W, 3). Also
                one array with several images, of shape (N, H, W), (N, H, W, 3) or (N, C, H, W).
            batch_size: number of images per forward pass.

        Returns:
            One row per image, in the given order. If all images are files, the index `path` holds their paths.
            Otherwise the index `image` holds the path of a file, and the position (from 0) of any other image.

        Columns:
            class: name of the most likely class.
            probability: probability of that class, from 0 to 1.
            probability_NAME: probability of class NAME, from 0 to 1; one column per class.

        Raises:
            DataError: a file is missing or is not a readable image. The message names its path.
            UsageError: an array has the wrong shape or type.

        >>> network = convstudy.load("first")
        >>> answers = network.predict(["shoe.png"])
        >>> answers.index[0], answers.columns.to_list()[:3]
        ('shoe.png', ['class', 'probability', 'probability_T-shirt/top'])
        >>> network.predict("no.png")
        Traceback (most recent call last):
        pipeline.errors.DataError: there is no file 'no.png'
        """
        import pandas as pd

        from pipeline.models.prediction import listed, probabilities, read_inputs

        listing = listed(images)
        found = probabilities(self.finished, read_inputs(self.finished, listing), batch_size)  # (N, classes)
        keys = [os.fspath(image) if isinstance(image, str | os.PathLike) else at for at, image in enumerate(listing)]
        only_files = all(isinstance(key, str) for key in keys)
        index = pd.Index(keys, name="path" if only_files else "image", dtype="str" if only_files else None)
        columns = {
            "class": pd.array(self.class_names, dtype="str")[found.argmax(axis=1)],
            "probability": found.max(axis=1),
        }
        for name, column in zip(self.class_names, found.T, strict=True):
            columns[f"probability_{name}"] = column  # a class may be called "class" or "probability"
        return pd.DataFrame(columns, index)

    def __repr__(self) -> str:
        spec, data = self.finished.info.spec, self.finished.info.data
        return f"<Network {self.run}: {spec.family} for {data.name}, {len(self.class_names)} classes>"


def load(run: str | Study, *, device: str = "auto") -> Network:
    """Open a finished network whose weights were kept.

    Args:
        run: address in the run store (column `run` of the tables), a study, or a study's name. For a study, the network
            on its front with the lowest validation error is opened.
        device: auto, cpu or cuda. "auto" is the device that the network was trained on, or cpu if there is no GPU here.

    Raises:
        UsageError: there is no such run or study, and the message names the nearest one; or it has no finished network.
        StorageError: the weights are gone. The message says which command restores them.

    >>> network = convstudy.load("first")
    >>> network
    <Network ...: lenet for fashion-mnist, 10 classes>
    >>> network.class_names[:2]
    ('T-shirt/top', 'Trouser')
    """
    from pipeline.actions.opening import open_named

    return Network(*open_named(workspace(), run.record if isinstance(run, Study) else run, device))
