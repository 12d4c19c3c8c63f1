"""Counts over DenseNets: what concatenation, transitions and recomputing cost in parameters, MACs and memory.

Memory is what autograd keeps for the backward pass of one image, in float32.
"""

import search_spaces
from pipeline.claims.calculations.networks import price_of, saved_bytes_of
from pipeline.claims.calculations.registry import Figures, calculation
from pipeline.claims.timings.variants import with_checkpoints
from pipeline.cost.memory import saved_bytes_per_sample
from search_spaces.densenet import Config as DenseNet
from search_spaces.resnet import Config as ResNet


@calculation
def densenet_over_resnet18() -> Figures:
    """ResNet-18's cost divided by the source's DenseNet's; for memory kept for backward the inverse; 96 pixels."""
    densenet, resnet = price_of("densenet", 96), price_of("resnet18", 96)
    return {
        "times fewer parameters": resnet.params / densenet.params,
        "times fewer MACs": resnet.macs / densenet.macs,
        "times the memory for backward": saved_bytes_of("densenet", 96) / saved_bytes_of("resnet18", 96),
    }


@calculation
def memory_of_deeper_blocks() -> Figures:
    """Memory kept for backward that layers 9 to 12 of one block add, divided by what layers 5 to 8 add; 96 pixels.

    Without concatenation, as in ResNet, equal layers add equal memory. In a dense block each later layer keeps a wider
    map.
    """
    dense, residual = search_spaces.family("densenet"), search_spaces.family("resnet")
    found = {}
    for name, family, configs in (
        ("dense block", dense, [DenseNet(32, (depth,), conv_bias=True) for depth in (4, 8, 12)]),
        ("residual blocks", residual, [ResNet((depth // 2,), (64,)) for depth in (4, 8, 12)]),
    ):
        models = [search_spaces.instantiate(family, config, 96, device="meta") for config in configs]
        four, eight, twelve = (saved_bytes_per_sample(model, 1, 96) for model in models)
        found[name] = (twelve - eight) / (eight - four)
    return found


@calculation
def memory_of_checkpointing() -> Figures:
    """Memory that densenet-small keeps for backward, divided by what it keeps when dense layers are recomputed."""
    family, reference = search_spaces.reference("densenet-small")
    kept = saved_bytes_of("densenet-small", reference.resolution)
    model = search_spaces.instantiate(family, reference.config, reference.resolution, device="meta")
    again = saved_bytes_per_sample(with_checkpoints(model), 1, reference.resolution)
    return {"KiB an image, kept": kept / 1024, "KiB an image, computed again": again / 1024, "times": kept / again}


@calculation
def densenet_without_transitions() -> Figures:
    """The source's DenseNet with its blocks joined into one without transitions, divided by that with transitions."""
    family, reference = search_spaces.reference("densenet")
    config: DenseNet = reference.config
    joined = DenseNet(config.growth_rate, (sum(config.depths),), conv_bias=config.conv_bias)
    without, with_ = search_spaces.price(family, joined, 96), price_of("densenet", 96)
    return {
        "channels at the end": config.stem_width + config.growth_rate * sum(config.depths),
        "times the parameters": without.params / with_.params,
        "times the MACs": without.macs / with_.macs,
    }
