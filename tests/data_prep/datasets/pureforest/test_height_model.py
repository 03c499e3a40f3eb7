"""Height models are what a slow reading of the points gives."""

from __future__ import annotations

import numpy as np
import pytest

from data_prep.datasets.pureforest.height_model import GROUND, NOISE, Points, Square, surface_and_terrain


def slow_height_model(points: Points, square: Square) -> np.ndarray:
    """One point, then one cell after the other; NaN where several nearest cells would do."""
    highest, ground = {}, {}
    for x, y, z, kind in zip(points.x, points.y, points.z, points.classes, strict=True):
        row = min(int((square.north - y) / square.cell + 1e-9), square.side - 1)
        column = min(int((x - square.west) / square.cell + 1e-9), square.side - 1)
        if kind in NOISE:
            continue
        highest[row, column] = max(z, highest.get((row, column), -np.inf))
        if kind == GROUND:
            ground.setdefault((row, column), []).append(z)
    terrain = {cell: sum(values) / len(values) for cell, values in ground.items()}
    slopes = np.linalg.lstsq([[*cell, 1] for cell in terrain], list(terrain.values()), rcond=None)[0]
    model = np.full((2, square.side, square.side), np.nan)
    for row in range(square.side):
        for column in range(square.side):
            residuals = {cell: z - slopes @ [*cell, 1] for cell, z in terrain.items()}
            bare = nearest(residuals, row, column) + slopes @ [row, column, 1]
            model[:, row, column] = np.maximum(nearest(highest, row, column), bare), bare
    return model


def nearest(values: dict[tuple[int, int], float], row: int, column: int) -> float:
    if (row, column) in values:
        return values[row, column]
    distances = {cell: (cell[0] - row) ** 2 + (cell[1] - column) ** 2 for cell in values}
    closest = [cell for cell, distance in distances.items() if distance == min(distances.values())]
    return values[closest[0]] if len(closest) == 1 else np.nan


def cloud(seed: int, number: int, square: Square) -> Points:
    rng = np.random.default_rng(seed)
    down, right = rng.uniform(0, square.side * square.cell, (2, number))
    return Points(square.west + right, square.north - down, rng.uniform(90, 130, number), rng.choice([1, 2, 5], number))


@pytest.mark.parametrize(("seed", "number"), [(0, 15), (1, 30), (2, 200)])
def test_few_points_give_the_model_of_a_slow_reading(seed, number):
    square = Square(700_000.0, 6_600_000.0, 0.5, 10)
    points = cloud(seed, number, square)
    expected = slow_height_model(points, square)
    found = surface_and_terrain(points, square)
    known = np.isfinite(expected)
    assert known.mean() > 0.4
    np.testing.assert_allclose(found[known], expected[known], atol=1e-6)
    assert np.isfinite(found).all()
    assert (found[0] >= found[1]).all()


def test_gaps_in_a_slope_continue_it():
    square = Square(0.0, 50.0, 0.5, 100)
    points = cloud(0, 40, square)
    slope = Points(points.x, points.y, 100 + 0.3 * points.x - 0.2 * points.y, np.full(40, GROUND))
    rows, columns = np.indices((100, 100)) * 0.5 + 0.25
    error = surface_and_terrain(slope, square)[1] - (100 + 0.3 * columns - 0.2 * (50 - rows))
    assert np.abs(error).max() < 0.25  # where in its cell a point lies; the slope falls by 25 m


def test_points_on_the_edges_belong_to_the_square_and_others_do_not():
    square = Square(0.0, 1.0, 0.5, 2)
    x, y = np.array([0.0, 1.0, 0.0, 1.0, 1.1, 0.2]), np.array([0.0, 0.0, 1.0, 1.0, 0.5, -0.1])
    model = surface_and_terrain(Points(x, y, np.arange(6.0), np.full(6, GROUND)), square)
    np.testing.assert_array_equal(model[1], [[2, 3], [0, 1]])
    with pytest.raises(ValueError, match="expected points east of 500 and south of 1, found them around 1, 0"):
        surface_and_terrain(Points(x, y, x, np.full(6, GROUND)), Square(500.0, 1.0, 0.5, 2))


def test_without_ground_there_is_no_model():
    square = Square(0.0, 1.0, 0.5, 2)
    above = np.array([0.5])
    assert surface_and_terrain(Points(above, above, above, np.array([5])), square) is None
    assert surface_and_terrain(Points(*[np.empty(0)] * 4), square) is None
