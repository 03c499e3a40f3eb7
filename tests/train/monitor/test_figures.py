"""Which dates of which samples figures show."""

import numpy as np

from mmae_jax.train.monitor.figures import dates_shown


def test_each_sample_is_shown_at_another_of_its_dates_with_data():
    valid = np.ones((4, 3, 1, 1), bool)
    valid[1, 1] = valid[3] = False
    assert dates_shown(valid).tolist() == [0, 2, 2, 0]
