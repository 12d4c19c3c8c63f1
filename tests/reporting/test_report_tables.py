import csv
import io

from report_records import group, hostile_group, network, nine_networks, nine_profiles, profile

from pipeline.reporting.comparison import compare
from pipeline.reporting.tables import CURVE_COLUMNS, curves_csv, metrics, networks_csv


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_metrics_are_flat_numbers_by_network() -> None:
    (comparison,) = compare([nine_networks()], nine_profiles())
    found = metrics([comparison])
    assert found["resnet-small"]["params"] == 272_778
    assert found["resnet-small"]["macs"] == 31_021_056
    assert round(found["resnet-small"]["test_error_percent"], 2) == 7.18
    assert found["resnet-small"]["seeds"] == 3
    assert "latency_seconds_batch_1" not in found["googlenet-small"]
    assert all(isinstance(value, int | float) for numbers in found.values() for value in numbers.values())


def test_networks_csv_holds_one_exact_row_a_network() -> None:
    rows = rows_of(networks_csv(compare([nine_networks()], nine_profiles())))
    assert [row["name"] for row in rows][:2] == ["resnet-small", "densenet-small"]
    first = rows[0]
    assert float(first["test_error_percent_low"]) < float(first["test_error_percent"])
    assert first["flags"] == ""
    assert rows[-1]["flags"] == "at chance level"
    assert rows[5]["test_error_percent_low"] == ""


def test_curves_csv_holds_every_epoch_of_every_seed() -> None:
    comparisons = compare([group((network(epochs=4, failed=1),))], [])
    rows = rows_of(curves_csv(comparisons))
    assert tuple(rows[0]) == CURVE_COLUMNS
    assert [(row["seed"], row["epoch"]) for row in rows] == [(s, str(e)) for s in "12" for e in range(1, 5)]


def test_priced_networks_stand_in_the_tables_too() -> None:
    comparisons = compare([], [profile()])
    assert rows_of(networks_csv(comparisons))[0]["params"] == "272778"
    assert rows_of(curves_csv(comparisons)) == []
    assert metrics(comparisons)["resnet-small"]["saved_bytes_per_sample"] == 731_000


def test_no_csv_cell_is_a_formula() -> None:
    comparisons = compare([hostile_group()], [])
    for text in (networks_csv(comparisons), curves_csv(comparisons)):
        rows = rows_of(text)
        assert {"'=cmd()", "'@SUM(A1)", "'-1+1"} <= {row["name"] for row in rows}
        for row in rows:
            for cell in row.values():
                assert not cell.startswith(("=", "+", "@", "\t", "\r"))
                assert not cell.startswith("-") or float(cell) < 0
