"""What the machine is asked: peaks of memory that belong to one training, not to those before it."""

import subprocess
import sys

import pytest

from pipeline.machine import keep_freed_memory

PEAKS = """
import torch
from pipeline.machine import keep_freed_memory, peak_memory_bytes, reset_peak_memory

keep_freed_memory()
large = torch.ones(400 * 2**18)  # 400 MiB
del large
before = peak_memory_bytes()
reset_peak_memory()
small = torch.ones(50 * 2**18)
print(before - peak_memory_bytes())
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="only glibc's memory can be kept and given back")
def test_a_trainings_peak_of_memory_is_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    assert 300 * 2**20 < int(told.stdout) < 400 * 2**20
