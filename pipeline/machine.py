"""This machine: hardware and versions for records, device and precision for training, and memory."""

import contextlib
import ctypes
import errno
import functools
import importlib.metadata
import os
import platform
import resource
from pathlib import Path
from typing import Literal

import psutil
import torch

from pipeline.errors import UsageError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

DeviceKind = Literal["cpu", "cuda"]
_OUT_OF_MEMORY = (
    "can't allocate memory",
    "could not create a primitive",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
)
"""Messages of errors without a class of their own: the CPU's allocator, oneDNN, CUDA and its libraries.

oneDNN gives the same message for any cause. In our tests with a limited address space, the cause was memory."""
PACKAGES = ("convstudy", "torch", "torchvision", "optuna", "mlflow", "fvcore", "numpy", "pandas")


def resolve_device(wanted: str = "auto") -> DeviceKind:
    """Return "cuda" or "cpu". "auto" means "cuda" if available. Raises UsageError for an unavailable device."""
    if wanted == "auto":
        wanted = "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cpu":
        return "cpu"
    if wanted == "cuda":
        if torch.cuda.is_available():
            keep_float32()
            return "cuda"
        raise UsageError("device 'cuda' is not available here: no CUDA device was found; use --device cpu or auto")
    raise UsageError(f"unknown device {wanted!r}: known: auto, cpu, cuda")


def resolve_precision(wanted: str, device: DeviceKind) -> Literal["float32", "bfloat16"]:
    """Resolve "auto" to bfloat16 if the device computes in it natively, else to float32.

    A processor without AVX-512 bf16 or AMX emulates bfloat16, and a training takes 8 to 10 times as long.
    """
    if wanted == "auto":
        return "bfloat16" if _computes_bfloat16(device) else "float32"
    if wanted not in ("float32", "bfloat16"):
        raise UsageError(f"unknown precision {wanted!r}: known: auto, float32, bfloat16")
    return "float32" if wanted == "float32" else "bfloat16"


def _computes_bfloat16(device: DeviceKind) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = _cpu_flags()
    return "avx512_bf16" in flags or "amx_bf16" in flags


@functools.cache
def _cpu_flags() -> frozenset[str]:
    """Feature flags of the processor on Linux; empty on other systems."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return frozenset()
    line = next((line for line in path.read_text().splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def keep_float32() -> None:
    """Disable TF32, which CUDA convolutions use by default in place of float32."""
    torch.backends.cudnn.allow_tf32 = False


def hardware(device: DeviceKind) -> dict[str, str]:
    """Processor, cores, memory and, for "cuda", the GPU, as recorded with every measurement."""
    described = {
        "processor": _processor(),
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "cores": str(cores()),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device == "cuda":
        described["gpu"] = torch.cuda.get_device_name()
    return described


@functools.cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def cores(system: Path = Path("/")) -> int:
    """Number of cores this process may use, within its CPU affinity and the quota of its control groups."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min(available, _cpu_quota(system))))


def _cpu_quota(system: Path) -> float:
    """The CPU quota in cores: the smallest of this process's control groups and their parents (versions 1 and 2)."""
    quotas = [float("inf")]
    for controllers, group in _control_groups(system):
        if controllers and "cpu" not in controllers:
            continue
        for path in (group, *group.parents):
            folder = system / "sys/fs/cgroup" / ("cpu" if controllers else "") / path
            file = folder / ("cpu.cfs_quota_us" if controllers else "cpu.max")
            if file.exists():
                limit, *period = file.read_text().split()
                period = period or [(folder / "cpu.cfs_period_us").read_text()]
                if limit not in ("max", "-1"):
                    quotas.append(int(limit) / int(period[0]))
    return min(quotas)


def _control_groups(system: Path) -> list[tuple[list[str], Path]]:
    """(controllers, path) of each control group of this process; controllers are empty in version 2."""
    file = system / "proc/self/cgroup"
    lines = file.read_text().splitlines() if file.exists() else []
    groups = [line.split(":", 2)[1:] for line in lines if line]
    return [(controllers.split(",") if controllers else [], Path(path.strip("/"))) for controllers, path in groups]


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next step. Returns whether that worked.

    By default glibc maps new memory for each block over 32 MiB, and the system clears each page at its first use.
    Training needs the same blocks in every step, and at the source's resolutions this took up to 30 % of a step
    (benchmarks/NOTES.md). Results do not change.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
    except OSError:  # macOS, or another C library
        return False
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 2**30) and libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1))


def reset_peak_memory() -> None:
    """Reset the process's peak memory, where Linux allows it, and return freed memory to the system."""
    with contextlib.suppress(OSError, AttributeError):  # another C library has no malloc_trim
        ctypes.CDLL(None).malloc_trim(0)
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # absent on macOS, where the peak is that since the start


def peak_memory_bytes() -> int:
    """The largest resident set of this process since `reset_peak_memory`, or since its start if that had no effect."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out."""
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(sign in str(error) for sign in _OUT_OF_MEMORY)


def kills_for_memory(system: Path = Path("/")) -> int:
    """Number of processes that Linux has killed for lack of memory, in this process's control group, else in all.

    The group's counter is in memory.events (version 2) or memory.oom_control (version 1), the system's in /proc/vmstat.
    Returns 0 if there is no counter.
    """
    files = []
    for controllers, group in _control_groups(system):
        if not controllers:
            files.append(system / "sys/fs/cgroup" / group / "memory.events")
        elif "memory" in controllers:
            files.append(system / "sys/fs/cgroup/memory" / group / "memory.oom_control")
    for file in (*files, system / "proc/vmstat"):
        for line in file.read_text().splitlines() if file.exists() else []:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def cards() -> list[str]:
    """The GPUs this process may use, named as in CUDA_VISIBLE_DEVICES."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [str(index) for index in range(torch.cuda.device_count())]


def default_workers(device: DeviceKind) -> int:
    """Number of parallel trainings: one per core on CPU, one per card on CUDA."""
    return cores() if device == "cpu" else max(1, len(cards()))


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
