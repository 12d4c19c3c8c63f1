"""A finished network, opened to be used: it takes images of any size and answers with classes and probabilities."""

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
    """A trained network with preprocessing and class names.

    Attributes:
        run: its address in the run store.
        finished: the PyTorch module in eval mode, the preparation of its inputs, and what its weights file says.
    """

    run: str
    finished: "FinishedNetwork"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the network's outputs."""
        return self.finished.class_names

    def predict(self, images: "OneImage | Iterable[OneImage]", *, batch_size: int = 256) -> "pd.DataFrame":
        """Classify images of any size, each handled as `prepare` handled those of the network's data set.

        Args:
            images: one image or several: paths, pictures of Pillow's, or uint8 arrays (H, W) or (H, W, 3); also one
                array of several, (N, H, W), (N, H, W, 3) or (N, C, H, W).
            batch_size: images at once.

        Returns:
            One row an image, by its path, or by its number if it is no file: `class`, `probability`, and the
            probability of each class under the class's name.

        Raises:
            DataError: a file cannot be read; it names the path.
            UsageError: an array has another shape or other values.

        >>> network = convstudy.load("first")
        >>> answer = network.predict(["shoe.png"])
        >>> answer.index[0], answer.columns.to_list()[:3]
        ('shoe.png', ['class', 'probability', 'T-shirt/top'])
        >>> network.predict("no.png")
        Traceback (most recent call last):
        pipeline.errors.DataError: there is no file 'no.png'
        """
        import os

        import pandas as pd

        from pipeline.models.prediction import listed, probabilities, read_inputs

        listing = listed(images)
        found = probabilities(self.finished, read_inputs(self.finished, listing), batch_size)
        files = [os.fspath(image) if isinstance(image, str | os.PathLike) else None for image in listing]
        all_files = all(file is not None for file in files)
        keys = files if all_files else [number if file is None else file for number, file in enumerate(files)]
        index = pd.Index(keys, name="path" if all_files else "image", dtype="str" if all_files else None)
        classes = pd.Series(self.class_names, dtype="str")
        answers = pd.DataFrame(
            {
                "class": classes.iloc[found.argmax(axis=1)].to_numpy(),
                "probability": found.max(axis=1, initial=0.0),
            },
            index=index,
        )
        return pd.concat([answers, pd.DataFrame(found, index, list(self.class_names))], axis=1)

    def __repr__(self) -> str:
        spec, data = self.finished.info.spec, self.finished.info.data
        return f"<Network {self.run}: {spec.family} for {data.name}, {len(self.class_names)} classes>"


def load(run: str | Study, *, device: str = "auto") -> Network:
    """Open a finished network of which weights are kept.

    Args:
        run: an address in the run store (column `run` of the tables), a study, or a study's name: then the network
            with the lowest validation error on its front.
        device: auto (where it was trained, if that is here), cpu or cuda.

    Raises:
        UsageError: there is no such run or study; it names the nearest one.
        StorageError: weights are gone; it names the command that keeps them.

    >>> network = convstudy.load("first")
    >>> network
    <Network ...: lenet for fashion-mnist, 10 classes>
    >>> network.class_names[:2]
    ('T-shirt/top', 'Trouser')
    """
    from pipeline.actions.opening import open_named

    return Network(*open_named(workspace(), run.record if isinstance(run, Study) else run, device))
