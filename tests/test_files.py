"""Files are whole or absent, and records are read strictly."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.evidence.records import Membership, RunSpec
from pipeline.evidence.store import RunStore
from pipeline.files import canonical_json, read_json, write_atomic, write_json
from pipeline.training.recipe import Recipe

SPEC = RunSpec("lenet", {"widths": [6, 16]}, 1, 10, 28, Recipe(epochs=1), "0" * 20, seed=1)


def test_a_write_that_fails_half_way_leaves_the_old_content_and_no_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_json(path, {"a": 1})

    def half(file: object) -> None:
        file.write(b"{")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"cannot write .*record\.json: No space left on device"):
        write_atomic(path, half)
    assert read_json(path) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["record.json"]


def test_not_a_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "record.json", {"loss": math.nan})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_canonical_json_is_one_text_whatever_the_order_of_keys(value: object) -> None:
    text = canonical_json(value)
    assert json.loads(text) == value
    if isinstance(value, dict):
        assert canonical_json(dict(reversed(list(value.items())))) == text


def test_a_runs_address_depends_on_everything_that_shapes_its_result() -> None:
    from dataclasses import replace

    variants = [
        SPEC,
        replace(SPEC, seed=2),
        replace(SPEC, config={"widths": [6, 17]}),
        replace(SPEC, recipe=Recipe(epochs=2)),
        replace(SPEC, recipe=Recipe(epochs=1, precision="bfloat16")),
        replace(SPEC, recipe=Recipe(epochs=1, initialisation="framework")),
        replace(SPEC, data="1" * 20),
        replace(SPEC, resolution=32),
        replace(SPEC, device="cuda"),
        replace(SPEC, protocol=SPEC.protocol + 1),
    ]
    assert len({spec.hash for spec in variants}) == len(variants)
    assert SPEC.hash == RunSpec("lenet", {"widths": [6, 16]}, 1, 10, 28, Recipe(epochs=1), "0" * 20, seed=1).hash


def test_the_run_store_keeps_one_header_and_adds_askers(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    study, single = Membership("run", "lenet", "seed"), Membership("train", "lenet", "single")
    for member in (study, single, study):
        store.register(SPEC, "lenet", "fashion-mnist", member)
    (folder,) = store
    header = folder.header()
    assert header is not None and header.spec == SPEC and len(header.members) == 2


@pytest.mark.parametrize("damage", ["{", "[]", '{"schema": "run/2"}', "null"])
def test_a_damaged_record_is_named(damage: str, tmp_path: Path) -> None:
    folder = RunStore(tmp_path).register(SPEC, "lenet", "fashion-mnist")
    (folder.path / "run.json").write_text(damage)
    with pytest.raises(StorageError, match=r"run\.json"):
        folder.header()


def test_a_record_of_another_run_is_refused(tmp_path: Path) -> None:
    store = RunStore(tmp_path)
    folder = store.register(SPEC, "lenet", "fashion-mnist")
    folder.path.rename(tmp_path / "elsewhere")
    with pytest.raises(StorageError, match="belongs to another run"):
        store.folder("elsewhere").header()
