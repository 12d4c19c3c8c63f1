"""Counts over whole networks: layers, channels, parameters, MACs and memory of the references.

Networks have 1 input channel and 10 classes, at the source's resolutions (224 pixels; 96 from GoogLeNet on) unless a
calculation says otherwise. MACs are those of convolutions and dense layers for one image; 1 MiB = 2^20 bytes.
"""

import itertools
import math

import torch

import search_spaces
from pipeline.claims.calculations.registry import Figures, calculation
from pipeline.cost.counts import layer_table
from pipeline.cost.memory import saved_bytes_per_sample
from pipeline.cost.records import LayerCost
from search_spaces import Price

FLOAT_BYTES = 4
ADAM_COPIES = 4
"""Weights, gradients, and Adam's two moments."""
MIB, MB = 2**20, 10**6
ALL = ("lenet", "alexnet", "vgg11", "nin", "googlenet", "resnet18", "densenet")
"""The source's networks."""
ANYNET_STAGES = 4
"""Radosavovic et al. (2020), "Designing network design spaces", section 3.2."""


def layers_of(name: str, resolution: int | None = None) -> tuple[LayerCost, ...]:
    """The layers of a reference in the order in which they run, at its own resolution by default."""
    family, reference = search_spaces.reference(name)
    resolution = resolution or reference.resolution
    model = search_spaces.instantiate(family, reference.config, resolution, device="meta")
    return layer_table(model, 1, resolution)


def price_of(name: str, resolution: int | None = None) -> Price:
    """The cost of a reference, at its own resolution by default."""
    family, reference = search_spaces.reference(name)
    return search_spaces.price(family, reference.config, resolution or reference.resolution)


def saved_bytes_of(name: str, resolution: int) -> int:
    """Bytes that autograd keeps for backward for each image of a reference."""
    family, reference = search_spaces.reference(name)
    model = search_spaces.instantiate(family, reference.config, resolution, device="meta")
    return saved_bytes_per_sample(model, 1, resolution)


def _of_kind(layers: tuple[LayerCost, ...], kind: str) -> list[LayerCost]:
    return [layer for layer in layers if layer.kind == kind]


@calculation
def alexnet_layers() -> Figures:
    """Number of AlexNet's layers with weights, by kind; the last dense layer is the output."""
    layers = layers_of("alexnet")
    convolutions, dense = len(_of_kind(layers, "Conv2d")), len(_of_kind(layers, "Linear"))
    return {"convolutions": convolutions, "hidden dense": dense - 1, "output": 1, "layers": convolutions + dense}


@calculation
def channels_of_alexnet_and_lenet() -> Figures:
    """Output channels of AlexNet's convolutions divided by LeNet's: of the first, of the second, and summed."""
    alexnet, lenet = (
        [layer.output[0] for layer in _of_kind(layers_of(name), "Conv2d")] for name in ("alexnet", "lenet")
    )
    return {
        "first layers": alexnet[0] / lenet[0],
        "second layers": alexnet[1] / lenet[1],
        "AlexNet summed": sum(alexnet),
        "LeNet summed": sum(lenet),
        "summed": sum(alexnet) / sum(lenet),
    }


@calculation
def hidden_dense_layers_of_alexnet() -> Figures:
    """Weights and biases of AlexNet's two hidden dense layers in memory, and their operations for one image.

    The original network has 9,216 inputs to them (256 maps of 6x6) and 1,000 classes. Its figure includes the output
    layer, gradients and Adam's moments.
    """
    hidden = _of_kind(layers_of("alexnet"), "Linear")[:2]
    params, macs = sum(layer.params for layer in hidden), sum(layer.macs for layer in hidden)
    original = [(9216, 4096), (4096, 4096), (4096, 1000)]
    original_params = sum(inputs * outputs + outputs for inputs, outputs in original)
    return {
        "parameters": params,
        "MiB of float32": params * FLOAT_BYTES / MIB,
        "MB of float32": params * FLOAT_BYTES / MB,
        "MiB with gradients and Adam's moments": params * FLOAT_BYTES * ADAM_COPIES / MIB,
        "GB of the original with output, gradients and moments": original_params * FLOAT_BYTES * ADAM_COPIES / 10**9,
        "MMACs": macs / 10**6,
        "MFLOPs": 2 * macs / 10**6,
    }


@calculation
def upscaling() -> Figures:
    """MACs of ResNet-18 at 224 pixels divided by those at 96, and how exactly an upscaling can be undone.

    Bilinear upscaling from 28 to 96 pixels is a linear map of each row and column. If its matrix has full column rank,
    its pseudo-inverse undoes it. Then the larger image has the same information as the smaller one.
    """
    matrix = torch.nn.functional.interpolate(
        torch.eye(28, dtype=torch.float64)[:, None], size=96, mode="linear", align_corners=False
    )[:, 0].T  # (96, 28): a row of pixels -> the upscaled row
    images = torch.rand(16, 28, 28, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    upscaled = torch.nn.functional.interpolate(images[:, None], size=96, mode="bilinear", align_corners=False)[:, 0]
    inverse = torch.linalg.pinv(matrix)
    return {
        "times the MACs": price_of("resnet18", 224).macs / price_of("resnet18", 96).macs,
        "times the pixels": (224 / 96) ** 2,
        "rank of the upscaling of a row": float(torch.linalg.matrix_rank(matrix)),
        "largest error of the undone upscaling": float((inverse @ upscaled @ inverse.T - images).abs().max()),
    }


@calculation
def cost_of_alexnet_over_lenet() -> Figures:
    """MACs of AlexNet at 224 pixels and LeNet at 28."""
    alexnet, lenet = price_of("alexnet").macs, price_of("lenet").macs
    return {"AlexNet MMACs": alexnet / 1e6, "LeNet MMACs": lenet / 1e6, "times": alexnet / lenet}


@calculation
def dense_shares() -> Figures:
    """The dense layers' shares of parameters and MACs, in percent."""
    found = {}
    for name in ("alexnet", "vgg11", "vgg11-narrow"):
        price, layers = price_of(name), layers_of(name)
        dense_macs = sum(layer.macs for layer in _of_kind(layers, "Linear"))
        found[f"{name} parameters, %"] = 100 * price.params_dense / price.params
        found[f"{name} MACs, %"] = 100 * dense_macs / price.macs
    return found


@calculation
def halvings() -> Figures:
    """How often 224 pixels can be halved until one pixel is left, rounding down."""
    side, times = 224, 0
    while side > 1:
        side, times = side // 2, times + 1
    return {"halvings of 224 pixels": times, "log2(224)": math.log2(224)}


@calculation
def vgg11_layers() -> Figures:
    """VGG-11's layers by kind, and the side of its last map."""
    layers = layers_of("vgg11")
    return {
        "convolutions": len(_of_kind(layers, "Conv2d")),
        "dense": len(_of_kind(layers, "Linear")),
        "side of the last map": [layer.output[-1] for layer in _of_kind(layers, "MaxPool2d")][-1],
    }


@calculation
def vgg11_over_alexnet() -> Figures:
    """VGG-11's cost divided by AlexNet's, at 224 pixels."""
    vgg, alexnet = price_of("vgg11"), price_of("alexnet")
    return {"times the MACs": vgg.macs / alexnet.macs, "times the parameters": vgg.params / alexnet.params}


@calculation
def first_dense_layer_of_vgg11() -> Figures:
    """The matrix between VGG-11's last map and its first dense layer."""
    layers = layers_of("vgg11")
    inputs = math.prod(_of_kind(layers, "MaxPool2d")[-1].output)
    outputs = _of_kind(layers, "Linear")[0].output[0]
    size = inputs * outputs * FLOAT_BYTES
    return {"inputs": inputs, "outputs": outputs, "MB of float32": size / MB, "MiB of float32": size / MIB}


@calculation
def nin_parameters() -> Figures:
    """Parameters of AlexNet and VGG-11 divided by NiN's."""
    nin = price_of("nin").params
    return {"AlexNet over NiN": price_of("alexnet").params / nin, "VGG-11 over NiN": price_of("vgg11").params / nin}


@calculation
def nin_cost_over_alexnet() -> Figures:
    """NiN's MACs, and the bytes that autograd keeps for backward, divided by AlexNet's, at 224 pixels."""
    nin, alexnet = price_of("nin"), price_of("alexnet")
    return {
        "times the MACs": nin.macs / alexnet.macs,
        "times the memory for backward": saved_bytes_of("nin", 224) / saved_bytes_of("alexnet", 224),
    }


@calculation
def googlenet_over_predecessors() -> Figures:
    """GoogLeNet's parameters and MACs divided by those of AlexNet, VGG-11 and NiN, all at 224 pixels."""
    googlenet = price_of("googlenet", 224)
    found = {}
    for title, name in (("AlexNet", "alexnet"), ("VGG-11", "vgg11"), ("NiN", "nin")):
        found[f"parameters, times {title}'s"] = googlenet.params / price_of(name, 224).params
        found[f"MACs, times {title}'s"] = googlenet.macs / price_of(name, 224).macs
    return found


@calculation
def resnet18_layers() -> Figures:
    """Number of ResNet-18's convolutions, without 1x1 shortcuts, and its dense layer."""
    layers = layers_of("resnet18")
    convolutions = [layer for layer in _of_kind(layers, "Conv2d") if ".shortcut." not in layer.name]
    dense = len(_of_kind(layers, "Linear"))
    return {"convolutions": len(convolutions), "dense": dense, "layers": len(convolutions) + dense}


@calculation
def anynet_choices() -> Figures:
    """Free parameters of AnyNet: the stem's width, and for each of its four stages all that a Config has of a stage."""
    _, reference = search_spaces.reference("regnetx32")
    per_stage = sum(isinstance(value, tuple) for value in vars(reference.config).values())
    parameters = 1 + ANYNET_STAGES * per_stage
    layers = layers_of("regnetx32")
    convolutions = [layer for layer in _of_kind(layers, "Conv2d") if ".shortcut." not in layer.name]
    return {
        "free parameters": parameters,
        "networks at two choices each": 2**parameters,
        "layers of RegNetX-32": len(convolutions) + len(_of_kind(layers, "Linear")),
    }


@calculation
def resolution_and_channels() -> Figures:
    """Steps of the source's networks to more pixels or to fewer channels, and the number of networks with such a step.

    A step leads from the output of one part with weights (a convolution, a stage, a block, a transition) to the next.
    """
    found: Figures = {}
    for what, column in (("more pixels", 1), ("fewer channels", 0)):
        for name in ALL:
            steps = _steps_of(name)
            changes = [after[column] - before[column] for before, after in itertools.pairwise(steps)]
            found[f"{name}: steps to {what}"] = sum(change > 0 if column else change < 0 for change in changes)
        found[f"networks with a step to {what}"] = sum(found[f"{name}: steps to {what}"] > 0 for name in ALL)
    return found


def _steps_of(name: str) -> list[tuple[int, int]]:
    """(channels, side) after each part."""
    family, reference = search_spaces.reference(name)
    model = search_spaces.instantiate(family, reference.config, reference.resolution, device="meta").eval()
    steps = []
    x = torch.zeros(1, 1, reference.resolution, reference.resolution, device="meta")
    with torch.no_grad():
        for child in model.children():
            x = child(x)
            if x.dim() == 4 and x.shape[-1] > 1 and any(True for _ in child.parameters()):
                steps.append((x.shape[1], x.shape[-1]))
    return steps
