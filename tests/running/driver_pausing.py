"""A driver that pauses its worker, says both their numbers, and waits to be killed."""

import time
from pathlib import Path
from tempfile import mkdtemp

import psutil
from worker_tasks import card_of

from pipeline.running.process_executor import ProcessExecutor

if __name__ == "__main__":
    executor = ProcessExecutor("cpu", 1)
    task = executor._pool.schedule(card_of, args=[Path(mkdtemp()), 2])  # it waits for ever
    while not task.running():
        time.sleep(0.05)
    executor.pause()
    stopped: list[int] = []
    while not stopped:  # the system stops a process some time after it was told to
        time.sleep(0.05)
        children = psutil.Process().children(recursive=True)
        stopped = [child.pid for child in children if child.status() == psutil.STATUS_STOPPED]
    print(*stopped, flush=True)
    time.sleep(1e6)
