"""Preparing as a whole: the same bytes each time, whole or absent, whatever happens to the process or the disk."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_folders import digits, files_of, small_digits, write_class, write_small_digits
from PIL import Image
from processes import LONGEST_SECONDS, exit_codes, fresh_processes

from pipeline.data.arrays import open_training_data, verify
from pipeline.data.manifest import load_manifest
from pipeline.data.prepare import data_set_name, prepare
from pipeline.data.sources import resolve_source
from pipeline.data.writing import mean_and_std
from pipeline.errors import StorageError, UsageError
from pipeline.stages import prepare as prepare_stage
from pipeline.workspace import Workspace

PREPARE = """
import resource, sys
from pathlib import Path
from pipeline.data.prepare import prepare
from pipeline.errors import ConvstudyError
source, raw, prepared, seed, largest_file_bytes = sys.argv[1:]
if largest_file_bytes != "any":
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest_file_bytes), int(largest_file_bytes)))
try:
    prepare(source, Path(raw), Path(prepared), seed=int(seed))
except ConvstudyError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


def command(source: str, raw: Path, prepared: Path, seed: int = 0, largest_file_bytes: int | None = None) -> list[str]:
    """Preparing in a process of its own, which may be refused files above a size, as a full disk refuses them."""
    limit = "any" if largest_file_bytes is None else str(largest_file_bytes)
    return [sys.executable, "-c", PREPARE, source, str(raw), str(prepared), str(seed), limit]


def run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **environment}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False
    )


def test_fashion_mnist_twice_gives_the_same_bytes(
    prepared_fashion_mnist: Path, raw_fashion_mnist: Path, tmp_path: Path
) -> None:
    prepare("fashion-mnist", raw_fashion_mnist.parent, tmp_path, tell=lambda _: None)
    assert files_of(tmp_path / "fashion-mnist") == files_of(prepared_fashion_mnist)


def test_hash_seed_locale_directory_order_and_place_change_no_byte(tmp_path: Path) -> None:
    images, labels = small_digits()
    found = []
    for number, (hash_seed, locale) in enumerate([("0", "C"), ("1", "C.UTF-8"), ("123", "POSIX")]):
        folder = tmp_path / f"home{number}" / "mine"
        order = np.random.default_rng(number).permutation(90)
        for position in order:
            label = int(position) // 30
            path = folder / f"{'äbc'[label]}" / f"{position:03} é.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[labels == label][position % 30]).save(path)
        prepared = tmp_path / f"home{number}" / "prepared"
        done = run(command(str(folder), tmp_path, prepared), PYTHONHASHSEED=hash_seed, LC_ALL=locale)
        assert done.returncode == 0, done.stderr
        found.append(files_of(prepared / "mine"))
    assert len(found[0]) == 8
    assert found[0] == found[1] == found[2]


def test_every_step_and_the_outcome_are_reported(tmp_path: Path) -> None:
    lines: list[str] = []
    folder = write_small_digits(tmp_path / "digits", 12)
    prepare(
        str(folder), tmp_path, tmp_path, seed=5, image_size=16, name="mine", group_by=r"(\d+)\.png", tell=lines.append
    )
    assert lines[0] == f"mine: 24 train, 6 validation, 6 test images of 1 x 16 x 16 in {tmp_path / 'mine'}"
    assert "  resized: 36" in lines
    manifest = load_manifest(tmp_path / "mine")
    assert (manifest.seed, manifest.name, manifest.source) == (5, "mine", "folder digits")


def test_a_new_preparation_replaces_the_old_one_while_it_is_still_read(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "digits", 20)
    prepare(str(folder), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    before = open_training_data(tmp_path / "prepared" / "digits")
    pixels = np.array(before.train.images)
    prepare(str(folder), tmp_path, tmp_path / "prepared", seed=1, tell=lambda _: None)
    after = open_training_data(tmp_path / "prepared" / "digits")
    assert before.manifest.fingerprint != after.manifest.fingerprint
    assert (before.train.images == pixels).all()
    assert sorted(path.name for path in (tmp_path / "prepared").iterdir()) == [".digits.lock", "digits"]


def test_a_failed_preparation_leaves_the_old_one(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "digits", 20)
    prepare(str(folder), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    before = files_of(tmp_path / "prepared" / "digits")
    (folder / "0" / "bad.png").write_bytes(b"")
    with pytest.raises(Exception, match="has 1 problem:"):
        prepare(str(folder), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    assert files_of(tmp_path / "prepared" / "digits") == before
    assert sorted(path.name for path in (tmp_path / "prepared").iterdir()) == [".digits.lock", "digits"]


CHANGES = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.truncate")


def prepare_and_be_killed(source: Path, prepared: Path, at: int) -> None:
    """Prepare, in a process of its own that is killed before its n-th change of a file or folder."""
    changes = 0

    def look(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal changes
        writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or event in CHANGES:
            changes += 1
            if changes == at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(look)
    prepare(str(source), prepared, prepared, tell=lambda _: None)


@pytest.mark.parametrize("was_there", [False, True])
def test_killed_before_any_of_its_changes_it_leaves_all_or_nothing_and_runs_again(
    tmp_path: Path, was_there: bool
) -> None:
    """Where there was one before, that or the new one; only between its two renames there is none."""
    source = write_small_digits(tmp_path / "digits")
    for seed in (0, 1):
        prepare(str(source), tmp_path, tmp_path / f"{seed}", seed=seed, tell=lambda _: None)
    old, new = files_of(tmp_path / "1" / "digits"), files_of(tmp_path / "0" / "digits")
    found: list[object] = []
    for at in itertools.count(1):
        prepared = tmp_path / f"killed-{at}"
        if was_there:
            shutil.copytree(tmp_path / "1", prepared)
        (code,) = exit_codes(fresh_processes().Process(target=prepare_and_be_killed, args=(source, prepared, at)))
        found.append(files_of(prepared / "digits") if (prepared / "digits").exists() else None)
        if code == 0:
            break
        assert code == -signal.SIGKILL
        prepare(str(source), prepared, prepared, tell=lambda _: None)
        assert files_of(prepared / "digits") == new
        assert sorted(path.name for path in prepared.iterdir()) == [".digits.lock", "digits"]
    assert len(found) > 15 and found[-1] == new
    assert all(each in (None, old, new) if was_there else each in (None, new) for each in found)
    assert found.count(None) == (1 if was_there else len(found) - 1)


@pytest.mark.soak
@pytest.mark.parametrize("seconds", [0.4, 0.8, 1.1])
def test_killed_at_any_moment_it_leaves_all_or_nothing_and_runs_again(
    raw_fashion_mnist: Path, prepared_fashion_mnist: Path, tmp_path: Path, seconds: float
) -> None:
    preparing = command("fashion-mnist", raw_fashion_mnist.parent, tmp_path)
    process = subprocess.Popen(preparing, stdout=subprocess.DEVNULL)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()
    target = tmp_path / "fashion-mnist"
    if target.exists():
        verify(target)
    assert run(preparing).returncode == 0
    assert files_of(target) == files_of(prepared_fashion_mnist)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".fashion-mnist.lock", "fashion-mnist"]


def test_what_a_killed_process_left_is_put_right(tmp_path: Path) -> None:
    folder = write_small_digits(tmp_path / "digits", 20)
    prepared = tmp_path / "prepared"
    prepare(str(folder), tmp_path, prepared, tell=lambda _: None)
    before = files_of(prepared / "digits")
    (prepared / "digits").rename(prepared / ".digits.replaced")  # killed between the two renames
    (prepared / ".digits.tmp").mkdir()
    (prepared / ".digits.tmp" / "half.npy").write_bytes(b"\x93NUMPY")
    (folder / "0" / "bad.png").write_bytes(b"")
    with pytest.raises(Exception, match="has 1 problem:"):
        prepare(str(folder), tmp_path, prepared, tell=lambda _: None)
    assert files_of(prepared / "digits") == before
    assert sorted(path.name for path in prepared.iterdir()) == [".digits.lock", "digits"]


def test_two_at_once_wait_for_each_other(tmp_path: Path) -> None:
    images, labels = digits()
    for label in (0, 1):
        write_class(tmp_path / "x" / str(label), images[labels == label][:200])
    preparing = command(str(tmp_path / "x"), tmp_path, tmp_path / "prepared")
    processes = [subprocess.Popen(preparing, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    results = [(process.communicate(timeout=LONGEST_SECONDS), process.returncode) for process in processes]
    assert [code for _, code in results] == [0, 0, 0], results
    verify(tmp_path / "prepared" / "x")
    assert sorted(path.name for path in (tmp_path / "prepared").iterdir()) == [".x.lock", "x"]


def assert_one_line(done: subprocess.CompletedProcess[str], prepared: Path) -> None:
    """The disk's refusal must be exit code 4 and one line with the path."""
    assert done.returncode == 4, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "File too large" in done.stderr
    assert str(prepared) in done.stderr


@pytest.mark.parametrize("limit", [0, 2000])
def test_a_disk_that_refuses_is_one_line_with_its_path_and_the_old_arrays_stay(tmp_path: Path, limit: int) -> None:
    folder = write_small_digits(tmp_path / "digits", 20)
    prepare(str(folder), tmp_path, tmp_path / "prepared", tell=lambda _: None)
    before = files_of(tmp_path / "prepared" / "digits")
    done = run(command(str(folder), tmp_path, tmp_path / "prepared", seed=1, largest_file_bytes=limit))
    assert_one_line(done, tmp_path / "prepared")
    assert files_of(tmp_path / "prepared" / "digits") == before


def test_a_disk_full_while_arrays_are_written_leaves_nothing_behind(raw_fashion_mnist: Path, tmp_path: Path) -> None:
    done = run(command("fashion-mnist", raw_fashion_mnist.parent, tmp_path, largest_file_bytes=20_000_000))
    assert_one_line(done, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [".fashion-mnist.lock"]


def test_a_prepared_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "prepared").write_text("a file")
    with pytest.raises(StorageError, match=r"prepared: (File exists|Not a directory)"):
        prepare(str(write_small_digits(tmp_path / "digits")), tmp_path, tmp_path / "prepared", tell=lambda _: None)


LARGE_IMAGES = """
import sys
from pathlib import Path
from pipeline.data.prepare import prepare
prepare(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[2]), image_size=224, tell=lambda _: None)
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # kB; ru_maxrss is the parent's where larger
"""


def test_large_images_need_less_than_a_gigabyte(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    noise = Image.fromarray(generator.integers(0, 256, (100, 100, 4), dtype=np.uint8))
    side = 7071  # the limit, nearly
    for name in ("a", "b"):
        (tmp_path / "x" / name).mkdir(parents=True)
        for number in range(7):
            noise.resize((1500, 1000)).convert("RGB").save(tmp_path / "x" / name / f"{number}.jpg")
    Image.new("LA", (side, side), (90, 120)).save(tmp_path / "x" / "b" / "la.png", compress_level=1)
    Image.new("CMYK", (side, side), "red").save(tmp_path / "x" / "a" / "cmyk.jpg", progressive=True, subsampling=0)
    done = run([sys.executable, "-c", LARGE_IMAGES, str(tmp_path / "x"), str(tmp_path)])
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) * 1024 < 10**9


def test_preparing_does_not_import_torch() -> None:
    check = "import sys, pipeline.data.prepare; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    assert run([sys.executable, "-c", check]).returncode == 0


def test_mean_and_std_of_a_constant_channel_can_be_divided_by() -> None:
    counts = np.zeros((2, 256), np.int64)
    counts[0, 51] = 1000
    counts[1, 0] = counts[1, 255] = 500
    assert mean_and_std(counts) == ((0.2, 0.5), (1.0, 0.5))


@pytest.mark.parametrize(
    ("folder", "name", "expected"),
    [
        ("My Photos", None, "My-Photos"),
        ("blüten <2>", None, "bluten-2"),
        ("x.y_z", None, "x.y_z"),
        ("a\nb", None, "a-b"),
        ("..hidden", None, "hidden"),
        ("n" * 100, None, "n" * 64),
        ("anything", "mine-2.0", "mine-2.0"),
    ],
)
def test_a_folders_name_becomes_a_plain_one(tmp_path: Path, folder: str, name: str | None, expected: str) -> None:
    (tmp_path / folder).mkdir()
    assert data_set_name(resolve_source(str(tmp_path / folder)), name) == expected


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        ("fashion-mnits", None, "unknown data source 'fashion-mnits': did you mean 'fashion-mnist'"),
        ("a/b/c", None, "there is no folder or CSV file 'a/b/c'"),
        ("x" * 5000, None, "unknown data source"),
        ("a\0b", None, "unknown data source"),
        ("mnist", "../up", "must be up to 64 letters"),
        ("mnist", "", "must be up to 64 letters"),
        ("mnist", ".hidden", "must be up to 64 letters"),
        ("mnist", "-rf", "must be up to 64 letters"),
        ("mnist", "a\n", "must be up to 64 letters"),
        ("mnist", "cifar10", "belongs to a named source"),
        ("日本", None, "no name can be made from"),
        ("kmnist-folder/kmnist", None, "belongs to a named source"),
    ],
)
def test_names_that_cannot_be_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, name: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("日本", "kmnist-folder/kmnist"):
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(UsageError, match=said) as caught:
        prepare(source, tmp_path, tmp_path / "prepared", name=name)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "prepared").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"seed": -1}, r"seed \(=-1\) must be at least 0"),
        ({"image_size": 0}, r"image_size \(=0\) must be between 1 and 512"),
        ({"image_size": 513}, r"image_size \(=513\) must be between 1 and 512"),
        ({"skip_bad": True}, "are for images of your own, not for fashion-mnist"),
        ({"group_by": "(a)"}, "are for images of your own, not for fashion-mnist"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_read(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        prepare("fashion-mnist", tmp_path / "raw", tmp_path / "prepared", **options)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_the_stage_prepares_images_of_ones_own_as_params_yaml_says(
    study: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write_small_digits(tmp_path / "photos")
    (tmp_path / "photos" / "0" / "broken.png").write_bytes(b"no picture")
    text = study.params_file.read_text()
    own = text.replace("  source: fashion-mnist", "  skip_bad: true\n  source: ~/photos")
    study.params_file.write_text(own.replace("  name: fashion-mnist", "  name: photos"))
    prepare_stage.main()
    assert load_manifest(study.prepared_data / "photos").image_shape[-1] == 8
    study.params_file.write_text(text.replace("  name: fashion-mnist", "  name: photos"))
    with pytest.raises(UsageError, match="name \\(=photos\\) must be that of the source, fashion-mnist"):
        prepare_stage.main()
    assert load_manifest(study.prepared_data / "photos").source.startswith("folder")
