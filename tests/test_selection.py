"""Which columns weigh the frames, and which rows are frames: what is evident, and what is asked."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.reweight import SampleStream, Selection, read_samples

QUIET = [HealthCheck.function_scoped_fixture]


def colvar(fields, *rows, constants=()):
    sets = "".join(f"#! SET {constant}\n" for constant in constants)
    return f"#! FIELDS {fields}\n{sets}" + "".join(f"{row}\n" for row in rows)


def weights(path, **choices):
    return read_samples(path, 2.0, Selection(cv=["d"], **choices)).log_weights.tolist()


@pytest.mark.parametrize(
    ("fields", "row", "expected"),
    [
        ("time d metad.bias", "0 1 3", 1.5),
        ("time d metad.bias metad.rbias", "0 1 3 2", 1.0),
        ("time d metad.rbias", "0 1 2", 1.0),
        ("time d opes.bias opes.rct opes.zed opes.neff opes.nker", "0 1 3 9 9 9 9", 1.5),
        ("time d metad.bias metad.bias", "0 1 3 3", 1.5),
    ],
)
def test_an_evident_bias(write, fields, row, expected):
    assert weights(write(colvar(fields, row))) == [expected]


@pytest.mark.parametrize(
    ("fields", "row", "message"),
    [
        ("time d a.bias b.bias", "0 1 3 4", r"several bias columns.*--bias a.bias,b.bias"),
        ("time d a.bias a.rbias uw.bias", "0 1 3 4 5", r"several.*--bias a.rbias,uw.bias"),
        ("time d a.bias a.rct", "0 1 3 1", r"--bias a.bias,-a.rct to take c\(t\) off, or"),
        ("time d vbias", "0 1 3", r"no column ends in '.bias'"),
        ("time d sigma_d height biasf", "0 1 3 1 1", r"this is a HILLS file.*sum_hills --hills"),
        ("time d sigma_d height logweight", "0 1 3 1 1", "this is an OPES file"),
    ],
)
def test_a_bias_that_must_be_named(write, fields, row, message):
    with pytest.raises(InputError, match=message):
        weights(write(colvar(fields, row)))


def test_the_bias_that_is_taken_is_told(write):
    samples = read_samples(write(colvar("time d m.bias m.rbias", "0 1 3 2")), 2.0)
    assert samples.notes == (
        "m.rbias is used, not m.bias, which grows with c(t) (--bias m.bias uses it)",
    )
    path = write(colvar("time d m.bias m.rbias", "0 1 3 2"))
    assert weights(path, bias=["m.bias"]) == [1.5]
    assert read_samples(path, 2.0, Selection(bias=["m.bias"])).notes == ()


def test_columns_are_added_and_subtracted(write):
    path = write(colvar("time d m.bias m.rct w.bias -x", "0 1 5 2 4 7"))
    assert weights(path, bias=["m.bias", "-m.rct", "w.bias"]) == [3.5]
    assert weights(path, bias=["m.bias", "-x"]) == [6.0]  # a column of that name


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ("time d m.bias w.bias", "several bias columns"),
        ("time d w.bias", "no column 'm.bias'"),
        ("time d m.bias m.rbias", "the bias would be m.rbias from here on, and was m.bias"),
    ],
)
@pytest.mark.parametrize("one_file", [True, False])
def test_a_bias_that_changes(write, second, message, one_file):
    """What the same header would ask in the first line it asks further on, too."""
    parts = [
        colvar("time d m.bias", "0 1 3", "1 2 3"),
        colvar(second, " ".join("1" * len(second.split()))),
    ]
    paths = [write("".join(parts))] if one_file else [write(p, n) for p, n in zip(parts, "ab")]
    with pytest.raises(InputError, match=message):
        read_samples(paths, 1.0)
    with pytest.raises(InputError, match=message):
        list(SampleStream(paths, 1.0).chunks())


@pytest.mark.parametrize("one_file", [True, False])
@pytest.mark.parametrize(
    ("second", "message"),
    [
        (("min_d -pi", "max_d pi"), ""),
        (("min_d -3.141593", "max_d 3.141593"), ""),
        (("min_d 0", "max_d 2pi"), "period of d is 0 to 2pi from here on, and was -pi to pi"),
        ((), "period of d is none from here on, and was -pi to pi before"),
        (("min_d -pi",), "SET min_d without SET max_d; a period needs both"),
        (("min_d -pi -pi", "max_d pi"), "SET min_d has several values, '-pi -pi'; expected one"),
    ],
)
def test_a_period_that_changes(write, second, message, one_file):
    fields = "time d m.bias"
    parts = [
        colvar(fields, "0 1 3", "1 2 3", constants=("min_d -pi", "max_d pi")),
        colvar(fields, "2 1.5 3", constants=second),
    ]
    paths = [write("".join(parts))] if one_file else [write(p, n) for p, n in zip(parts, "ab")]
    if not message:
        assert read_samples(paths, 1.0).bounds == (("-pi", "pi"),)
        return
    with pytest.raises(FileFormatError, match=message):
        read_samples(paths, 1.0)


def test_a_period_that_only_a_later_header_tells(write):
    first, second = colvar("time d m.bias", "0 1 3"), colvar("time d m.bias", "1 2 3")
    second = second.replace("bias\n", "bias\n#! SET min_d -pi\n#! SET max_d pi\n")
    with pytest.raises(FileFormatError, match="period of d is -pi to pi from here on"):
        read_samples(write(first + second), 1.0)


def frames(rows, header="#! FIELDS time d\n"):
    return header + "".join(f"{t} {d}\n" for t, d in rows)


def kept(*paths, **choices):
    samples = read_samples(paths, 1.0, Selection(no_bias=True, cv=["d"], **choices))
    return samples.values[:, 0].tolist(), samples


HEADER = "#! FIELDS time d\n"


def test_the_frame_that_a_restart_writes_again(write):
    path = write(frames([(0, 1), (1, 2), (2, 3)]) + frames([(2, 3), (3, 4)]))
    values, samples = kept(path)
    assert values == [1, 2, 3, 4]
    assert samples.dropped == {"repeated at a restart": 1}


def test_a_restart_in_another_file(write):
    one, other = write(frames([(0, 1), (1, 2)]), "a"), write(frames([(1, 2), (2, 3)]), "b")
    assert kept(one, other)[0] == [1, 2, 3]


def test_other_header_lines_are_no_restart(write):
    assert kept(write(frames([(0, 1), (1, 2)]) + "#! SET k 1\n#! by hand\n1 2\n2 3\n"))[0] == [
        *(1, 2, 2, 3)
    ]


def test_walkers_that_start_alike(write):
    one, other = write(frames([(0, 1), (1, 2)]), "a"), write(frames([(0, 1), (1, 2.5)]), "b")
    assert kept(one, other)[0] == [1, 2, 1, 2.5]


def test_frames_that_repeat_are_frames(write):
    values, samples = kept(write(frames([(0, 1), (0, 1), (1, 2), (1, 2)])))
    assert values == [1, 1, 2, 2]
    assert samples.dropped == {}
    assert "2 rows repeat time and CVs of the row before them" in samples.notes[0]


@given(st.lists(st.sampled_from([0.5, 1.5]), min_size=2, max_size=30), st.integers(0, 29))
@settings(suppress_health_check=QUIET, deadline=None)
def test_nothing_is_a_restart_where_time_stands(write, values, cut):
    rows = [(7, value) for value in values]
    found, samples = kept(write(frames(rows[:cut]) + frames(rows[cut:])))
    assert found == values
    assert any("time is 7 in all rows" in note for note in samples.notes)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
)
@settings(suppress_health_check=QUIET, deadline=None)
def test_rows_are_dropped_only_right_after_a_header(write, block_bytes, rows, cuts):
    """Ten lines that judge the filter row by row."""
    text, expected = HEADER, []
    for i, row in enumerate(rows):
        restarts = i in cuts and i > 0
        moved = len({t for t, _ in rows[:i]}) > 1
        text += (HEADER if restarts else "") + "{} {}\n".format(*row)
        if not (restarts and moved and row == rows[i - 1]):
            expected.append(row[1])
    assert kept(write(text))[0] == expected


def test_a_share_of_the_rows_is_skipped(write, tmp_path):
    rows = [(t, t) for t in range(10)]
    one, other = write(frames(rows), "a"), write(frames([(t, t + 20) for t in range(4)]), "b")
    assert kept(one, other, skip=0.5)[0] == [5, 6, 7, 8, 9, 22, 23]
    with pytest.raises(InputError, match=r"below 1, got 1\.0"):
        Selection(skip=1.0)


RNG = np.random.default_rng(5)


def window(write, name, center, stiffness, form="quadratic"):
    d = center + RNG.normal(0, 0.2, 200)
    bias = {
        "quadratic": stiffness / 2 * (d - center) ** 2,
        "bumpy": stiffness / 2 * (d - center) ** 2 + 0.2 * np.sin(9 * d),
    }[form]
    rows = "".join(f"{t} {x:.6f} {v:.6f}\n" for t, (x, v) in enumerate(zip(d, bias)))
    return write("#! FIELDS time d restraint.bias\n" + rows, name)


def test_umbrella_windows_are_pointed_out(write):
    paths = [window(write, f"w{k}", center, 20.0) for k, center in enumerate((-1.0, 0.0, 1.0))]
    with pytest.warns(
        CyfesWarning, match=r"each of the 3 files has a harmonic restraint.*umbrella"
    ):
        read_samples(paths, 1.0)


def test_files_of_one_restraint_are_one_run(write):
    same = [window(write, f"w{k}", 0.5, 20.0) for k in range(2)]
    other = [window(write, f"v{k}", k, 20.0, "bumpy") for k in range(2)]
    for paths in (same, other, same[:1]):
        assert read_samples(paths, 1.0).n_used == 200 * len(paths)


def test_a_copy_of_a_file_is_refused(write):
    rows = [(t, t * t) for t in range(30)]
    whole, older = write(frames(rows), "a"), write(frames(rows[:20]), "b")
    for files in ((whole, older), (older, whole)):
        with pytest.raises(InputError, match="begins with the same 20 frames as"):
            kept(*files)


def test_a_period_may_be_denied(write):
    path = write("#! FIELDS time d m.bias\n#! SET min_d 0\n#! SET max_d 1\n1 0.5 0\n2 1.5 0\n")
    assert read_samples(path, 1.0, Selection(cv=["d"])).periods.tolist() == [1.0]
    samples = read_samples(path, 1.0, Selection(cv=["d"], period={"d": None}))
    assert samples.periods.tolist() == [0.0]


def test_a_bias_counts_once(write):
    path = write("#! FIELDS time d m.bias\n1 0.5 0\n2 1.5 0\n")
    for names in (["m.bias", "m.bias"], ["m.bias", "-m.bias"]):
        with pytest.raises(InputError, match=r"--bias names m\.bias twice"):
            read_samples(path, 1.0, Selection(cv=["d"], bias=names))


def test_columns_without_names_are_chosen_by_number(write):
    path = write("# time d bias\n1 0.5 0\n2 1.5 0\n")
    with pytest.raises(InputError, match=r"no '#! FIELDS' header .* e\.g\. --cv 1 --bias 2"):
        read_samples(path, 1.0, Selection(cv=["d"]))


def test_copies_that_were_joined_are_warned_of(write):
    text = frames([(t, t * t) for t in range(30)])
    with pytest.warns(CyfesWarning, match=r"COLVAR:33: here begin the same 30 frames as .*COLVAR"):
        assert len(kept(write(text + text))[0]) == 60


def test_runs_that_begin_alike_are_no_copies(write):
    one, other = ([(t, 0) for t in range(5)] + [(5 + t, k * t) for t in range(5)] for k in (1, 2))
    assert len(kept(write(frames(one), "a"), write(frames(other), "b"))[0]) == 20
    assert len(kept(write(frames(one[:4]), "a"), write(frames(other[:4]), "b"))[0]) == 8


def test_a_period_in_another_unit_is_warned_of(write):
    text = "#! FIELDS time d\n" + "".join(f"{t} {37 * t % 360 - 180}\n" for t in range(50))
    path = write(text)
    with pytest.warns(CyfesWarning, match="d spans -180 to 173, many times its period of -pi to"):
        read_samples(path, 1.0, Selection(cv=["d"], no_bias=True, period={"d": ("-pi", "pi")}))
    for period in (("-180", "180"), ("-50", "50"), None):
        read_samples(path, 1.0, Selection(cv=["d"], no_bias=True, period={"d": period}))


def test_the_example_of_a_cv_is_no_bias(write):
    path = write("#! FIELDS time m.bias d\n1 0 0.5\n")
    with pytest.raises(InputError, match=r"e\.g\. --cv d$"):
        read_samples(path, 1.0)
