"""Recipes 1 to 3 of reliability in their fast form: kill and resume, the resume matrix, torn checkpoints."""

import os
import signal
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from processes import exit_codes, fresh_processes, wait_until
from small_data import TINY, small_data, small_network

from pipeline.models.weights import hash_weights
from pipeline.training.checkpoint import Checkpoints
from pipeline.training.history import History, Progress
from pipeline.training.loop import train


def killed_training(data: Path, folder: Path, epochs: int) -> None:
    """A training in a process of its own, which may be killed at any moment and goes on from its last checkpoint.

    Before its last epoch it waits for `folder`/end, so that it is never over before it could be killed.
    """
    torch.set_num_threads(1)
    model, checkpoints = small_network(), Checkpoints(folder, every_seconds=0.0)

    def tell(progress: Progress) -> None:
        (folder / "progress").write_text(str(len(progress.history)))
        while len(progress.history) == epochs - 1 and not (folder / "end").exists():
            time.sleep(0.001)

    history = train(model, replace(TINY, epochs=epochs), small_data(data), 7, checkpoints=checkpoints, tell=tell)
    (folder / "starts").write_text(str(history.starts))
    (folder / "outcome").write_text(hash_weights(model.state_dict()) + repr(history.epochs))


class _StopError(Exception):
    pass


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.soak)])
def test_a_training_killed_again_and_again_ends_as_one_left_alone(
    kills: int, prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    epochs = 3 * kills

    def training() -> BaseProcess:
        return fresh_processes().Process(target=killed_training, args=(prepared_fashion_mnist, tmp_path, epochs))

    delays = torch.rand(kills, generator=torch.Generator().manual_seed(0)).tolist()
    for kill, delay in enumerate(delays):
        process = training()
        process.daemon = True
        process.start()
        before = _progress(tmp_path)
        for leftover in tmp_path.glob(".checkpoint-*.tmp"):  # of an earlier kill
            leftover.unlink(missing_ok=True)
        wait_until(lambda before=before: _progress(tmp_path) > min(before, epochs - 2), 0.0005)  # type: ignore[misc]
        if kill % 2:  # half of the kills inside a checkpoint write, as long as there are any
            wait_until(lambda: any(tmp_path.glob(".checkpoint-*.tmp")) or _progress(tmp_path) == epochs - 1, 0.0005)
        else:
            time.sleep(0.1 * delay)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    (tmp_path / "end").touch()
    assert exit_codes(training()) == [0]
    model = small_network()
    history = train(model, replace(TINY, epochs=epochs), small_data(prepared_fashion_mnist), 7)
    assert history.state == "complete"
    assert int((tmp_path / "starts").read_text()) > kills / 2  # it went on, and did not begin again each time
    assert (tmp_path / "outcome").read_text() == hash_weights(model.state_dict()) + repr(history.epochs)


def _progress(folder: Path) -> int:
    path = folder / "progress"
    text = path.read_text() if path.exists() else ""
    return int(text or 0)


@pytest.mark.parametrize("epoch", [1, 2, 3])
@pytest.mark.parametrize("step", [0, 1, 2, 4])
def test_stopped_at_any_step_of_any_epoch_it_goes_on_to_the_same_end(
    epoch: int, step: int, prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    data = small_data(prepared_fashion_mnist)
    whole, stopped, resumed = small_network(), small_network(), small_network()
    expected = train(whole, TINY, data, seed=2)
    assert expected.state == "complete"
    steps = len(data.train) // TINY.batch_size
    stop_at = (epoch - 1) * steps + step
    counted = 0

    def stop(module: torch.nn.Module, inputs: object) -> None:
        nonlocal counted
        if module.training:
            if counted == stop_at:
                raise _StopError
            counted += 1

    stopped.register_forward_pre_hook(stop)
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    with pytest.raises(_StopError):
        train(stopped, TINY, data, seed=2, checkpoints=checkpoints)
    history = train(resumed, TINY, data, seed=2, checkpoints=checkpoints)
    assert hash_weights(resumed.state_dict()) == hash_weights(whole.state_dict())
    assert history.epochs == expected.epochs
    assert history.starts == (1 if epoch == 1 else 2)


def test_a_resumed_training_sees_the_same_batches(prepared_fashion_mnist: Path, tmp_path: Path) -> None:
    data = small_data(prepared_fashion_mnist)
    whole: list[bytes] = []
    train(_recording(small_network(), whole), TINY, data, seed=2)
    parts: list[bytes] = []
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)

    def stop_after_two(progress: Progress) -> None:
        if progress.epoch == 3:
            raise _StopError

    with pytest.raises(_StopError):
        train(_recording(small_network(), parts), TINY, data, seed=2, checkpoints=checkpoints, tell=stop_after_two)
    del parts[2 * 5 :]  # two epochs of five batches are in the checkpoint, the third is done again
    train(_recording(small_network(), parts), TINY, data, seed=2, checkpoints=checkpoints)
    assert len(whole) == 15 and parts == whole


def _recording(model: torch.nn.Module, seen: list[bytes]) -> torch.nn.Module:
    """The model, noting every training batch it is given (augmented pixels included)."""

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        if module.training:
            seen.append(inputs[0].contiguous().numpy().tobytes())

    model.register_forward_pre_hook(note)
    return model


def _two_checkpoints(prepared: Path, folder: Path) -> tuple[History, list[Path]]:
    """A training stopped in its third epoch, with the checkpoints of the first two."""

    def stop(progress: Progress) -> None:
        if progress.epoch == 3:
            raise _StopError

    data = small_data(prepared)
    with pytest.raises(_StopError):
        train(small_network(), TINY, data, 2, checkpoints=Checkpoints(folder, every_seconds=0.0), tell=stop)
    expected = train(small_network(), TINY, data, 2)
    return expected, sorted(folder.glob("checkpoint-*.pt"))


@pytest.mark.parametrize("damage", ["empty", "head", "half", "tail", "bit", "no hash", "torn hash", "only temporary"])
def test_a_damaged_checkpoint_is_found_out_named_and_the_one_before_is_used(
    damage: str, prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    expected, (_, newest) = _two_checkpoints(prepared_fashion_mnist, tmp_path)
    content = newest.read_bytes()
    sidecar = newest.with_name(newest.name + ".sha256")
    if damage == "no hash":
        sidecar.unlink()
    elif damage == "torn hash":
        sidecar.write_text(sidecar.read_text()[:20])
    elif damage == "only temporary":
        newest.rename(newest.with_name(f".{newest.name}.x.tmp"))
    elif damage == "bit":
        middle = len(content) // 2
        newest.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        kept = {"empty": 0, "head": 100, "half": len(content) // 2, "tail": len(content) - 1}[damage]
        newest.write_bytes(content[:kept])
    checkpoints = Checkpoints(tmp_path, every_seconds=3600)
    model = small_network()
    if damage == "only temporary":
        history = train(model, TINY, small_data(prepared_fashion_mnist), 2, checkpoints=checkpoints)
    else:
        with pytest.warns(UserWarning, match=newest.name):
            history = train(model, TINY, small_data(prepared_fashion_mnist), 2, checkpoints=checkpoints)
    assert history.epochs == expected.epochs
    assert history.starts == 2  # it went on from the first checkpoint, and did not silently start again


def test_a_start_from_the_beginning_is_told_when_every_checkpoint_is_damaged(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    expected, paths = _two_checkpoints(prepared_fashion_mnist, tmp_path)
    for path in paths:
        path.write_bytes(b"")
    with pytest.warns(UserWarning) as warned:
        history = train(small_network(), TINY, small_data(prepared_fashion_mnist), 2, checkpoints=Checkpoints(tmp_path))
    told = [str(warning.message) for warning in warned]
    assert [path.name in text for path, text in zip(reversed(paths), told, strict=False)] == [True, True]
    assert told[-1].endswith("training starts from the beginning")
    assert history.epochs == expected.epochs and history.starts == 1


def test_two_checkpoints_are_kept_and_none_when_cleared(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    for epoch in range(1, 6):
        checkpoints.save(epoch, {"epoch": epoch})
    assert [path.name for path in sorted(tmp_path.glob("*.pt"))] == ["checkpoint-00004.pt", "checkpoint-00005.pt"]
    assert checkpoints.load("cpu") == {"epoch": 5}
    checkpoints.clear()
    assert list(tmp_path.iterdir()) == []


def test_checkpoints_are_spaced_in_time(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, every_seconds=0.0).due()
    assert not Checkpoints(tmp_path, every_seconds=3600).due()


def test_a_pickle_payload_in_a_checkpoint_runs_nothing(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "ran"),)

    checkpoints = Checkpoints(tmp_path, every_seconds=0.0)
    checkpoints.save(1, {"payload": Payload()})
    with pytest.raises(Exception, match="weights_only"):
        checkpoints.load("cpu")
    assert not (tmp_path / "ran").exists()


def test_a_training_stopped_at_each_epoch_as_planned_ends_as_one_left_alone(
    prepared_fashion_mnist: Path, tmp_path: Path
) -> None:
    data = small_data(prepared_fashion_mnist)
    left_alone, stopped = small_network(), small_network()
    whole = train(left_alone, TINY, data, 7)
    states = []
    for until in range(1, TINY.epochs + 1):
        stopped = small_network()
        history = train(stopped, TINY, data, 7, checkpoints=Checkpoints(tmp_path, every_seconds=1e9), until=until)
        states.append(history.state)
        assert history.epochs == whole.epochs[:until]
    assert states == ["stopped"] * (TINY.epochs - 1) + ["complete"]
    assert hash_weights(stopped.state_dict()) == hash_weights(left_alone.state_dict())
    assert history.starts == 1
    with pytest.raises(ValueError, match=r"until \(=9\) must be an epoch of the recipe, from 1 to 3"):
        train(small_network(), TINY, data, 7, until=9)
