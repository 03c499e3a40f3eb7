"""What is wrong with a table or its description is one line, or is left out and counted."""

import math

import pyarrow as pa
import pytest

from data_prep.datasets.series import tables
from data_prep.datasets.series.folds import Folds
from data_prep.errors import DataPrepError
from mmae_jax.spec import SpecError
from tests.data_prep.datasets.series.made_up import DATES, PLACES, long_table, prepare

ROWS = len(PLACES) * len(DATES)
COLUMNS = {
    "no such table": ({}, "table='plots.csv'", "table: expected a file 'plots.csv' in "),
    "no row": (
        {name: values[:0] for name, values in long_table().items()},
        "",
        "expected at least one row, found none",
    ),
    "no such column": ({}, "place='plot'", "expected a column plot, found id, date"),
    "pattern": ({}, "modalities={'s2': Columns('L8-{band}', S2)}", "expected columns 'L8-{band}', found id, date"),
    "no such band": ({"S2-B08": None}, "", "expected a column 'S2-{band}' for band B08, found none"),
    "text among numbers": ({"S2-B02": ["17"] * (ROWS - 1) + ["n/a"]}, "", "S2-B02: expected numbers, found 'n/a'"),
    "place": ({"id": [None, *long_table()["id"][1:]]}, "", "id: expected a place in each row, found 1 without"),
    "no date": ({"date": [None, *long_table()["date"][1:]]}, "", "date: expected a date in each row, found 1 without"),
    "date": ({"date": ["01/02/2020"] * ROWS}, "", "date: expected a date like 2020-01-31, found '01/02/2020'"),
    "number": ({"date": [20200101] * ROWS}, "", "date: expected dates, found int64"),
    "class": ({"crop": ["oats"] * ROWS}, "", "place field_00: crop: expected a class (0, 1, 2, 3, -1, wheat"),
    "group": ({"region": [None] * ROWS}, "", "region: expected a group of place field_00, found none"),
    "degrees": ({"lat": [5e6] * ROWS}, "", "coordinates: expected degrees east and north, found 10 and 5e+06"),
    "exchanged": (
        {"lon": [52.1] * ROWS, "lat": [-106.7] * ROWS},
        "",
        "coordinates: expected degrees east and north, found 52.1 and -106.7; are lon and lat exchanged?",
    ),
    "unit": (
        {"S2-B02": [0.5] * ROWS},
        "",
        "modalities.s2: expected numbers of the stored type, found others at 64 of 64",
    ),
    "range": ({"S2-B02": [30000] * ROWS}, "", "modalities.s2: expected values within value_range, found others at 64"),
    "commonest": (
        {},
        "targets={'crop': Label('crop', Target('classif', (), 'crop'), commonest=9)}",
        "targets.crop.commonest: expected at most the 4 classes of the table, found 9",
    ),
    "split": ({}, "splits=InColumn('crop')", "splits: expected places in split train, found"),
    "folds": ({}, "splits=Folds(9, 'region')", "splits.of: expected at most 8 folds, one a group, found 9"),
}


@pytest.mark.parametrize(("columns", "changes", "message"), COLUMNS.values(), ids=COLUMNS)
def test_what_is_wrong_with_a_table_is_one_line(tmp_path, capsys, columns, changes, message):
    assert prepare(tmp_path, long_table(**columns), changes)[0] == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert message in line
    assert not (tmp_path / "shards").exists()


FIELDS = {
    "form": ("date=None", "modalities.s2.pattern: expected {date}, or date=, found 'S2-{band}'"),
    "size": (
        "modalities={'s2': Columns('S2-{band}', Modality(('B02',), 'uint16', '', 10.0, size=2))}",
        "modalities.s2.sensor.size: expected 1 of a table, found 2",
    ),
    "band": ("modalities={'s2': Columns('S2', S2)}", "modalities.s2.pattern: expected {band}, as there are several"),
    "names": (
        "modalities={'s2': Columns('{band}', S2, {'B1': 'x'})}",
        "modalities.s2.names: expected bands (B02, B08)",
    ),
    "decibels": (
        "modalities={'s2': Columns('{band}', S2, convert=Decibels())}",
        "modalities.s2.convert: expected a sensor of float16 or float32 with decibel=True, found uint16",
    ),
    "kind": (
        "targets={'crop': Label('crop', Target('segment', ('a',), 'crop'))}",
        "targets.crop.target.kind: expected classif or regression, found 'segment'",
    ),
    "classes": (
        "targets={'crop': Label('crop', Target('classif', (), 'crop'))}",
        "targets.crop.target.classes: expected",
    ),
    "labels": ("targets={}, labelled_only=True", "labelled_only: expected targets, found none"),
    "steps": ("date=None, steps=Steps('2020-01-01')", "modalities.s2.pattern: expected {step}, as steps= is given"),
    "no splits": ("splits=3", "splits: expected InColumn, Fractions or Folds, found 3"),
    "where": ("coordinates='lon'", "coordinates: expected Points, Geometry or None, found 'lon'"),
    "table": ("table=3", "table: expected str, found 3"),
    "fold": ("splits=Folds(3, test=3)", "splits.test: expected a fold, 0 to 2, found 3"),
}


@pytest.mark.parametrize(("changes", "message"), FIELDS.values(), ids=FIELDS)
def test_what_is_wrong_with_a_description_is_one_line(tmp_path, capsys, changes, message):
    assert prepare(tmp_path, long_table(), changes)[0] == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {tmp_path / 'spec.py'}: {message}")


def test_a_place_whose_rows_contradict_each_other_is_left_out_and_counted(tmp_path, capsys):
    table = long_table()
    table["crop"][1] = "maize"  # of the first place
    table["date"][5] = table["date"][4]  # of the second, with other values
    assert prepare(tmp_path, table)[0] == 0
    printed = capsys.readouterr()
    assert "1 × tile: crop" in printed.out
    assert "1 × tile: s2" in printed.out
    assert "field_00: crop: expected one value of a place in all its rows, found wheat and maize" in printed.err
    assert prepare(tmp_path, None, "", "--strict", f"--out_dir={tmp_path / 'b'}")[0] == 1


def test_rows_that_are_there_twice_count_once(tmp_path, capsys):
    table = {name: [*values, values[0]] for name, values in long_table().items()}
    assert prepare(tmp_path, table)[0] == 0
    assert "1 × date: s2, expected one row for each date" in capsys.readouterr().out


def test_infinite_numbers_leave_their_date_out(tmp_path, capsys):
    values = [math.inf, -5, *long_table()["S1-VV"][2:]]
    assert prepare(tmp_path, long_table(**{"S1-VV": values}))[0] == 0
    assert "1 × date: s1, expected finite numbers" in capsys.readouterr().out


def test_numbers_in_the_unit_are_stored_as_the_contract_says(tmp_path):
    reflectances = [number / 10_000 for number in long_table()["S2-B02"]]
    changes = "modalities={'s2': Columns('S2-{band}', S2, convert=InUnit())}"
    table = long_table(**{"S2-B02": reflectances, "S2-B08": reflectances})
    assert prepare(tmp_path, table, changes)[0] == 0


def test_folds_are_as_large_as_groups_allow_and_do_not_depend_on_order():
    groups = [f"g{number}" for number in range(30) for _ in range(1 + number % 4)]
    chosen = Folds(5, "group", val=None).splits(groups)
    assert abs(chosen.count("test") - len(groups) / 5) <= 4
    by_group = dict(zip(groups, chosen, strict=True))
    assert [by_group[group] for group in groups] == chosen
    assert Folds(5, "group", val=None).splits(groups[::-1]) == chosen[::-1]
    assert Folds(5, "group", val=None, seed=1).splits(groups) != chosen
    tested = [Folds(5, "group").testing(fold).splits(groups) for fold in range(5)]
    assert all([found[place] for found in tested].count("test") == 1 for place in range(len(groups)))
    shared = Folds(5, "group", val=0.25).splits(groups)
    assert shared.count("val") == pytest.approx(0.2 * len(groups), abs=4)
    with pytest.raises(DataPrepError, match=r"splits.val: expected a share that leaves a group to train on"):
        Folds(2, "group", val=0.9).splits(["a", "b"])
    with pytest.raises(SpecError, match=r"splits.val: expected another fold than 0"):
        Folds(3, val=0).check()


def test_numbers_are_one_text_whatever_stands_beside_them():
    whole = tables.texts(pa.array([1.0, None, 3.0]), "x").to_pylist()
    mixed = tables.texts(pa.array([1.0, float("nan"), 2.5, 1e300]), "x").to_pylist()
    assert whole == ["1", None, "3"]
    assert mixed == ["1", None, "2.5", "1e+300"]
    assert tables.texts(pa.array([" a", "", "b "]).dictionary_encode(), "x").to_pylist() == ["a", None, "b"]
