"""Arrays that grow: what was appended is what they hold, wherever their memory went meanwhile."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cyfes.tables.growing import GrowingArray

BLOCKS = st.lists(
    st.tuples(st.sampled_from([0, 1, 1000, 200_000, 1_100_000]), st.floats(0, 1)), max_size=4
)


@pytest.mark.parametrize("width", [1, 3])
@settings(max_examples=25, deadline=None)
@given(blocks=BLOCKS)
def test_rows_kept_are_those_appended(width, blocks):
    array, kept = GrowingArray(width), []
    for i, (n, share) in enumerate(blocks):
        rows = np.arange(n * width, dtype=float).reshape(n, width) + i / 8
        array.room(n)[:] = rows
        kept.append(rows[: int(share * n)])
        array.keep(len(kept[-1]))
    expected = np.concatenate([np.empty((0, width)), *kept])
    np.testing.assert_array_equal(array.array(), expected)
