"""A driver whose workers the system kills when they take too much: `... HOME DATA CGROUP MIB`.

Puts itself into a memory cgroup (version 1) of so many MiB, trains one network of large
batches, and prints how it ended.
"""

import sys
from dataclasses import replace
from pathlib import Path

from pipeline.running.workers import prepare_workers

if __name__ == "__main__":
    home, data, group, mebibytes = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4])
    (group / "memory.limit_in_bytes").write_text(str(mebibytes * 2**20))
    (group / "cgroup.procs").write_text("0")
    prepare_workers()

    from pipeline.data.manifest import load_manifest
    from pipeline.running.display import Display
    from pipeline.running.open_runner import RunnerOptions, open_runner
    from pipeline.running.plans import plan_group
    from pipeline.running.reproduce import reproduce
    from pipeline.settings import NetworkEntry, read_settings
    from pipeline.workspace import Workspace

    manifest = load_manifest(data)
    settings = read_settings(Path(__file__).parents[2] / "params.yaml")
    plan = plan_group("memory", {"resnet-small": NetworkEntry()}, settings, "smoke", manifest)
    (network,) = plan.networks
    sizes = {"batch_size": 4096, "train_images": 8192, "validation_images": 1000, "train_loss_images": 500}
    network = replace(network, recipe={**network.recipe, **sizes, "precision": "float32"}, rates=(0.02,))
    plan = replace(plan, networks=(network,), seeds=(1,))
    options = RunnerOptions(1, data_folder=data, checkpoint_seconds=0.0, mirrored=False)
    with open_runner(Workspace(home), manifest, "cpu", Display("memory", 1), options) as runner:
        record = reproduce(plan, manifest, runner, "cpu")
    (trained,) = record.networks
    for run in trained.runs:
        parts = run.measurement.micro_batches if run.measurement else None
        print(f"{run.state} {run.reason} in {parts} parts, lost {record.lost}")
