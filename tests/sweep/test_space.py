"""Fields that are varied, and the values of trials."""

import numpy as np
import pytest

from mmae_jax.exit_codes import UsageError
from mmae_jax.sweep.space import field, trials


def test_the_grid_has_all_combinations_the_last_field_fastest():
    fields = [field("pretrain.base_lr=1e-4, 3e-4"), field("config.model.head=linear,attentive")]
    assert trials(fields, None, 0) == [
        {"pretrain.base_lr": lr, "model.head": head} for lr in ("1e-4", "3e-4") for head in ("linear", "attentive")
    ]


def test_values_may_hold_commas_in_brackets():
    assert field("phases=(pretrain,probe),(probe,)").values == ("(pretrain,probe)", "(probe,)")


def test_more_trials_change_none_of_the_first():
    fields = [field("a=log(1e-5,1e-1)"), field("b=int(2,4)"), field("c=uniform(0,0.5)"), field("d=x,y")]
    few, many = trials(fields, 5, 3), trials(fields, 400, 3)
    assert many[:5] == few
    assert trials(fields, 5, 4) != few
    logs = np.log10([float(trial["a"]) for trial in many])
    assert -5 <= logs.min() < -4.8
    assert -1.2 < logs.max() <= -1
    assert abs(np.median(logs) + 3) < 0.3  # uniform in the logarithm
    assert {trial["b"] for trial in many} == {"2", "3", "4"}
    assert {trial["d"] for trial in many} == {"x", "y"}
    assert all(0 <= float(trial["c"]) <= 0.5 for trial in many)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pretrain.base_lr", "expected FIELD=a,b,c"),
        ("=1,2", "expected FIELD=a,b,c"),
        ("a=1,1", "expected different values of a"),
        ("a=1,,2", "expected different values of a"),
        ("a=log(0,1)", "expected 0 < LOW < HIGH"),
        ("a=uniform(1,1)", "expected LOW < HIGH"),
        ("a=log(x,1)", r"expected numbers in log\(LOW,HIGH\)"),
        ("a=int(1.5,3)", r"expected whole numbers in int\(LOW,HIGH\)"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(UsageError, match=message):
        field(text)


def test_what_has_no_grid_is_named():
    with pytest.raises(UsageError, match="a is a range without a grid"):
        trials([field("a=log(1e-3,1)")], None, 0)
    with pytest.raises(UsageError, match="found a twice"):
        trials([field("a=1,2"), field("a=3,4")], None, 0)
    with pytest.raises(UsageError, match="at most 10,000 combinations"):
        trials([field(f"{name}=" + ",".join(map(str, range(200)))) for name in "abc"], None, 0)
