import csv
import io

from report_records import group, hostile_group, network, nine_networks, nine_profiles, profile

from pipeline.reporting.comparison import compare
from pipeline.reporting.summary import summary
from pipeline.reporting.tables import CURVE_COLUMNS, curves_csv, metrics, networks_csv


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_metrics_are_the_few_numbers_by_which_studies_are_compared() -> None:
    found = metrics(compare([nine_networks()], nine_profiles()), claims={"holds": 3})
    assert round(found.test_error_percent["resnet-small"], 2) == 7.18
    assert len(found.test_error_percent) == 9 and found.claims == {"holds": 3}
    assert summary(found).startswith("found: ") and summary(found).endswith("; of 3 claims: 3 hold")
    best = min(found.test_error_percent, key=found.test_error_percent.__getitem__)
    assert f"{best} has the lowest test error of all 9" in summary(found)
    assert summary(metrics([])) == "found: nothing has been trained"


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
    assert metrics(comparisons).test_error_percent == {}


def test_no_csv_cell_is_a_formula() -> None:
    comparisons = compare([hostile_group()], [])
    for text in (networks_csv(comparisons), curves_csv(comparisons)):
        rows = rows_of(text)
        assert {"'=cmd()", "'@SUM(A1)", "'-1+1"} <= {row["name"] for row in rows}
        for row in rows:
            for cell in row.values():
                assert not cell.startswith(("=", "+", "@", "\t", "\r"))
                assert not cell.startswith("-") or float(cell) < 0
