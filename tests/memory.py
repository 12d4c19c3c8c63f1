"""Networks that run out of memory, or seem to."""

from collections.abc import Callable

from torch import Tensor, nn

CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"


def short_of_memory(model: nn.Module, fits: int, error: Callable[[str], Exception] = RuntimeError) -> list[int]:
    """Let `model` fail at the end of a training pass of more than `fits` images; returns the passes it will see."""
    passes: list[int] = []

    def look(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        if module.training:
            passes.append(len(inputs[0]))
            if passes[-1] > fits:
                raise error(CPU_MESSAGE)

    model.register_forward_hook(look)
    return passes
