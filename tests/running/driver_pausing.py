"""A driver that pauses its worker, says both their numbers, and waits to be killed."""

import time

import psutil
from worker_tasks import card_after

from pipeline.running.process_executor import ProcessExecutor

if __name__ == "__main__":
    executor = ProcessExecutor("cpu", 1)
    task = executor._pool.schedule(card_after, args=[600.0])
    while not task.running():
        time.sleep(0.05)
    executor.pause()
    stopped: list[int] = []
    while not stopped:  # the system stops a process some time after it was told to
        time.sleep(0.05)
        children = psutil.Process().children(recursive=True)
        stopped = [child.pid for child in children if child.status() == psutil.STATUS_STOPPED]
    print(*stopped, flush=True)
    time.sleep(600)
