"""Networks that run out of memory, or seem to."""

from torch import Tensor, nn

CPU_MESSAGE = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"


def short_of_memory(model: nn.Module, fits: int) -> list[int]:
    """Let `model` fail at the end of a pass of more than `fits` images; returns the sizes of passes it will see."""
    sizes: list[int] = []

    def look(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        sizes.append(len(inputs[0]))
        if sizes[-1] > fits:
            raise RuntimeError(CPU_MESSAGE)

    model.register_forward_hook(look)
    return sizes
