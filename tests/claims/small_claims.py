"""Four claims with two experiments and three timings that take seconds, in a workspace of their own."""

import pytest

from pipeline.settings import choose_profile
from pipeline.workspace import Workspace

SMOKE = """
experiments:
  lenets:
    question: Does batch normalisation lower the error of LeNet?
    recipe: {epochs: 1, train_images: 256, batch_size: 32, validation_images: 200, train_loss_images: 100}
    rates: [0.1]
    sizes: {smoke: {seeds: 2, core_hours: 0.01}, full: {seeds: 3, core_hours: 0.01}}
    arms: {plain: {network: lenet}, norm: {network: bn-lenet}}
    equal: [{cost: macs, within: 0.01}]
    probes: [training error]
  spaces:
    question: Do networks whose widths grow err less?
    recipe: {epochs: 1, train_images: 256, batch_size: 32, validation_images: 200, train_loss_images: 100}
    rates: [0.05]
    sizes: {smoke: {seeds: 1, core_hours: 0.01}}
    populations:
      free: {space: lenet, networks: 3, macs: [0, 1000000]}
      growing: {space: lenet, networks: 3, macs: [0, 1000000], seed: 1}
  elsewhere:
    question: What is trained by another profile only?
    sizes: {full: {seeds: 2, core_hours: 1}}
    arms: {one: {network: lenet}, other: {network: lenet-small}}
timings:
  norms:
    question: Is the framework's batch norm faster than one from scratch?
    batch_size: 16
    rounds: {smoke: 3}
    arms:
      framework: {network: bn-lenet}
      from scratch: {network: bn-lenet, variant: batch norm from scratch}
      layer: {convolution: {channels: 8, groups: 2}, resolution: 14}
  memories:
    question: Does a network take more memory than one layer?
    batch_size: 16
    memory: true
    rounds: {smoke: 2}
    arms: {network: {network: bn-lenet}, layer: {convolution: {channels: 8, groups: 2}, resolution: 14}}
  later:
    question: What is measured under another profile only?
    rounds: {full: 3}
    arms: {one: {network: lenet}, other: {network: lenet-small}}
claims:
  B2:
    theme: normalisation
    source: Batch normalisation
    statement: Batch normalisation lowers the error.
    known: expected
    parts:
      - {kind: empirical, measure: error, experiment: lenets, of: validation error, contrast: {norm: 1, plain: -1},
         expect: lower, smallest: 1, unit: points}
      - {kind: empirical, measure: training error, experiment: lenets, of: probe, figure: [training error, training],
         contrast: {norm: 1, plain: -1}, expect: lower, smallest: 1, unit: points}
  B9:
    theme: normalisation
    source: Batch normalisation
    statement: The framework's batch norm is faster.
    known: expected
    parts:
      - {kind: timed, measure: seconds, timing: norms, of: training step, contrast: {framework: 1, from scratch: -1},
         expect: lower, smallest: 1.05}
  P3:
    theme: design spaces
    source: Design spaces
    statement: Widths that grow improve the distribution of errors.
    known: expected
    parts: [{kind: population, measure: chance, experiment: spaces, better: growing, than: free, expect: higher}]
  A1:
    theme: depth
    source: AlexNet
    statement: AlexNet has eight layers.
    known: holds
    parts: [{kind: analytic, measure: layers, calculation: alexnet-layers, says: {layers: {equals: 8}}}]
"""


@pytest.fixture
def claimed(study: Workspace) -> Workspace:
    """A workspace with two experiments and two claims, under the profile smoke."""
    choose_profile(study.params_file, "smoke")
    (study.root / "reports").mkdir()
    (study.root / "reports" / "claims.yaml").write_text(SMOKE)
    return study
