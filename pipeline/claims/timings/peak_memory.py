"""Peak memory while a network is built and trained for two steps, in a process of its own.

On a CPU: the process's peak resident set minus what it had before the network was built. On CUDA: the allocator's peak.
Both include weights, gradients, momentum, saved tensors and workspaces.
"""

import json
import subprocess
import sys

import torch

from pipeline.claims.timings.arms import build
from pipeline.claims.timings.plans import TimedArm, Timing
from pipeline.machine import DeviceKind, peak_memory_bytes, reset_peak_memory
from pipeline.schema import parse, to_json

STEPS = 2
"""Training steps. The first one creates the optimizer's state."""


def peak_of_step(arm: TimedArm, timing: Timing, device: DeviceKind) -> int:
    """Peak memory in bytes, measured in a new process. Raises RuntimeError with its output if it fails."""
    task = json.dumps({"arm": to_json(arm), "timing": to_json(timing), "device": device})
    command = [sys.executable, "-m", "pipeline.claims.timings.peak_memory"]
    done = subprocess.run(command, input=task, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"peak of memory: {done.stderr.strip().splitlines()[-1]}")
    return int(done.stdout)


def _measure(arm: TimedArm, timing: Timing, device: DeviceKind) -> int:
    torch.set_num_threads(1)
    reset_peak_memory()
    before = peak_memory_bytes()
    built = build(arm, timing, device)
    for _ in range(STEPS):
        built.step()
    if device == "cuda":
        return torch.cuda.max_memory_allocated()
    return peak_memory_bytes() - before


if __name__ == "__main__":
    task = json.load(sys.stdin)
    print(_measure(parse(TimedArm, task["arm"], "arm"), parse(Timing, task["timing"], "timing"), task["device"]))
