"""Tables with one row for each place: names of columns tell band and date."""

import numpy as np
import pytest

from tests.data_prep.conftest import records
from tests.data_prep.datasets.series.made_up import DATES, PLACES, long_table, prepare

MONTHLY = "steps=Steps('2020-01-01', months=1), "


def wide_table(name, **more):
    """Returns column → values of a row for each place, of `long_table`; `name` gets band and number of date."""
    long, number = long_table(), len(DATES)
    table = {column: long[column][::number] for column in ("id", "crop", "region", "lon", "lat")}
    for band in ("B02", "B08"):
        table |= {name(band, step): long[f"S2-{band}"][step::number] for step in range(number)}
    return table | more


def changes(pattern, more="", s2=""):
    return f"date=None, modalities={{'s2': Columns({pattern!r}, S2, {s2})}}, {more}"


def dates_of(out, place):
    return next(records(out, split)[place] for split in ("train", "val", "test") if place in records(out, split))["s2"]


@pytest.mark.parametrize(
    ("name", "described"),
    [
        (lambda band, step: f"OPT-{band}-ts{step}-10m", changes("OPT-{band}-ts{step}-*m", MONTHLY)),
        (lambda band, step: f"{band}_2020{step + 1:02d}01", changes("{band}_{date}", "date_format='%Y%m%d'")),
        (
            lambda band, step: f"2020-{step + 1:02d}-01 {band[1:]}",
            changes("{date} {band}", s2="{'B02': '02', 'B08': '08'}"),
        ),
    ],
)
def test_columns_tell_the_dates(tmp_path, name, described):
    code, out = prepare(tmp_path, wide_table(name), described)
    assert code == 0
    long, found = long_table(), dates_of(out, PLACES[5])
    np.testing.assert_array_equal(found["dates"], [[2020, day, 0] for day in (1, 32, 61, 92)])
    np.testing.assert_array_equal(found["pixels"][:, 1, 0, 0], long["S2-B08"][20:24])


def test_each_place_may_begin_on_a_day_of_its_own(tmp_path):
    begin = ["2020-01-31" if place % 2 else "2019-12-05" for place in range(len(PLACES))]
    table = wide_table(lambda band, step: f"{band} {step + 1}", begin=begin)
    code, out = prepare(tmp_path, table, changes("{band} {step}", "steps=Steps(column='begin', months=1, first=1)"))
    assert code == 0
    np.testing.assert_array_equal(dates_of(out, PLACES[1])["dates"][:, 1], [31, 60, 91, 121])  # 29 February
    np.testing.assert_array_equal(
        dates_of(out, PLACES[0])["dates"], [[2019, 339, 0], [2020, 5, 0], [2020, 36, 0], [2020, 65, 0]]
    )


def test_steps_of_days(tmp_path):
    table = wide_table(lambda band, step: f"{band} {step}")
    assert prepare(tmp_path, table, changes("{band} {step}", "steps=Steps('2020-02-25', days=10)"))[0] == 0
    np.testing.assert_array_equal(dates_of(tmp_path / "shards", PLACES[0])["dates"][:, 1], [56, 66, 76, 86])


@pytest.mark.parametrize(
    ("dropped", "message"),
    [
        ("B08 2", "expected a column '{band} {step}' for band B08 at 2, as there is B02 2, found none"),
        ("id", "expected a column id, found"),
    ],
)
def test_a_column_that_is_not_there_is_named(tmp_path, capsys, dropped, message):
    table = wide_table(lambda band, step: f"{band} {step}")
    del table[dropped]
    assert prepare(tmp_path, table, changes("{band} {step}", MONTHLY))[0] == 1
    assert message in capsys.readouterr().err


def test_rows_of_one_place_that_differ_skip_it(tmp_path, capsys):
    table = wide_table(lambda band, step: f"{band} {step}")
    table["id"][1] = table["id"][0]
    table["region"][1] = table["region"][0]
    assert prepare(tmp_path, table, changes("{band} {step}", MONTHLY + "coordinates=None"))[0] == 0
    assert "s2: expected one row for 2020-01-01T00:00:00, found several of different values" in capsys.readouterr().err
