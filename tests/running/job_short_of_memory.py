"""A job in a process with little memory: `python job_short_of_memory.py STORE RUN DATA MIB`.

Ends with 0 when the run is finished, with ENOMEM when memory ran out.
"""

import errno
import re
import resource
import sys
from pathlib import Path

import torch
import torch._dynamo  # an optimizer imports it when it is first made, and it is large

from pipeline.data.manifest import load_manifest
from pipeline.machine import keep_freed_memory
from pipeline.running.jobs import Job, Lost, run_job

store, run, data, mebibytes = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
keep_freed_memory()
taken = re.search(r"VmSize:\s+(\d+)", Path("/proc/self/status").read_text())
assert taken is not None
resource.setrlimit(resource.RLIMIT_AS, (1024 * int(taken[1]) + mebibytes * 2**20,) * 2)
try:
    run_job(Job(store, run, data, load_manifest(data).test_fingerprint, test=True, checkpoint_seconds=0.0))
except Lost:
    sys.exit(errno.ENOMEM)
