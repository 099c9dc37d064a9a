"""STATE and KERNELS files: what is read, refused and left out; one pass, from pipes too."""

import gzip
import os
import re
import threading
from pathlib import Path

import numpy as np
import pytest

from cyfes.errors import CyfesWarning, FileFormatError, InputError
from cyfes.hillsfile import read_hills
from cyfes.opesfile import read_opes
from cyfes.tables import formats

DATA = Path(__file__).parent / "data" / "opes-1d-per"
STATE = gzip.decompress((DATA / "STATE.gz").read_bytes()).decode()
KERNELS = gzip.decompress((DATA / "KERNELS.gz").read_bytes()).decode()
#: The last two states of the file.
TWO = "#! FIELDS" + "#! FIELDS".join(STATE.split("#! FIELDS")[-2:])
LINES = TWO.splitlines(keepends=True)
SECOND = next(i for i, line in enumerate(LINES) if i and line.startswith("#! FIELDS"))
N_KERNELS = sum(not line.startswith("#") for line in LINES[SECOND:])


def without(name, text=TWO):
    return re.sub(rf"#! SET {name} .*\n", "", text)


def changed(name, value, text=TWO):
    return re.sub(rf"#! SET {name} .*\n", f"#! SET {name} {value}\n", text)


def cut(n):
    """The two states without the last n lines."""
    return "".join(LINES[:-n])


# --- one pass


def test_a_hundred_states_are_read_in_one_pass(monkeypatch):
    opened = []

    class Counted(formats.TextReader):
        def __init__(self, path, *more):
            opened.append(path)
            super().__init__(path, *more)

    monkeypatch.setattr(formats, "TextReader", Counted)
    found = read_opes(DATA / "STATE.gz", every=1)
    assert (found.n_found, len(found.states), len(opened)) == (100, 100, 1)
    assert [state.time for state in found.states] == list(range(10, 1001, 10))
    assert found.notes == ()


@pytest.mark.parametrize(("every", "times"), [
    (0, [1000]), (30, [300, 600, 900, 1000]), (50, [500, 1000]), (200, [1000]),
])  # fmt: skip
def test_every_nth_state_and_the_last(every, times):
    found = read_opes(DATA / "STATE.gz", every=every)
    assert [state.time for state in found.states] == times
    assert found.n_found == 100


@pytest.mark.parametrize(("every", "times"), [(0, [1000]), (300, [300, 600, 900, 1000])])
def test_after_every_n_kernels_and_the_last(every, times):
    found = read_opes(DATA / "KERNELS.gz", every=every)
    assert [state.time for state in found.states] == times
    assert found.n_found == 1000


def test_states_come_from_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(STATE.encode(),))
    writer.start()
    found = read_opes(pipe, every=1)
    writer.join()
    assert len(found.states) == 100


def test_blocks_of_any_size_make_the_same_states(block_bytes):
    found = read_opes(DATA / "STATE.gz", every=1).states
    counts = [text.count("\n ") for text in STATE.split("#! FIELDS")[1:]]
    assert [len(state) for state in found] == counts


# --- what is refused


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (without("action"), r"bad:1: no SET action; expected one of OPES_METAD_state"),
        (changed("action", "OPES_EXPANDED_state"), "bad:1: SET action OPES_EXPANDED_state; exp"),
        (without("epsilon"), "bad:1: no SET epsilon; OPES writes it"),
        (changed("epsilon", "0"), "bad:1: SET epsilon 0; expected a positive number"),
        (changed("epsilon", "inf"), "bad:1: SET epsilon inf; expected a positive number"),
        (changed("kernel_cutoff", "far"), "bad:1: kernel_cutoff: 'far' is not a number"),
        (without("kernel_cutoff"), "bad:1: no SET kernel_cutoff"),
        (changed("kernel_cutoff", "-3"), "bad:1: SET kernel_cutoff -3; expected a positive"),
        (without("zed"), "bad:1: no SET zed"),
        (without("sum_weights"), "bad:1: no SET sum_weights"),
        (changed("biasfactor", "1"), "bad:1: SET biasfactor 1; expected more than 1"),
        (without("max_phi"), "bad:1: SET min_phi without SET max_phi"),
        (TWO.replace("sigma_phi", "width", 1), "bad:1: columns time phi width height; expected"),
        (TWO.replace("time phi", "phi time", 1), "bad:1: columns phi time sigma_phi height; exp"),
        (TWO.replace("#!", "##"), "bad:1: no '#! FIELDS' header; expected that of an OPES file"),
        ("#! FIELDS time phi metad.bias\n1 2 3\n", "bad:1: this is a COLVAR file"),
        ("#! FIELDS time phi sigma_phi height biasf\n1 2 3 4 5\n", "bad:1: this is a HILLS file"),
        ("#! FIELDS ecv.ene DeltaF\n300 1\n", "bad:1: this is a file of OPES_EXPANDED"),
        ("#! FIELDS time rct DeltaF_1 DeltaF_2\n1 2 3 4\n", "bad:1: this is a file of OPES_EXP"),
        (TWO.split("\n ")[0] + "\n", "bad: no data rows"),
    ],
)
def test_headers_that_are_refused(write, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_opes(write(text, "bad"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        (2, "0", "column sigma_phi must be positive, got 0; --on-bad skip"),
        (2, "-0.1", "column sigma_phi must be positive, got -0.1"),
        (3, "0", "column height must be positive, got 0"),
        (1, "nan", r"column 2 \(phi\) is nan"),
        (3, "x", r"column 4 \(height\): 'x' is not a number"),
    ],
)
def test_rows_that_are_refused(write, field, text, message):
    fields = LINES[SECOND - 2].split()
    fields[field] = text
    lines = [*LINES[: SECOND - 2], " ".join(fields) + "\n", *LINES[SECOND - 1 :]]
    with pytest.raises(FileFormatError, match=f"bad:{SECOND - 1}: {message}"):
        read_opes(write("".join(lines), "bad"))


def test_too_many_cvs(write):
    names = "a b c d e"
    sigmas = " ".join(f"sigma_{name}" for name in names.split())
    text = TWO.replace("time phi sigma_phi height", f"time {names} {sigmas} height")
    with pytest.raises(FileFormatError, match=r"bad:1: 5 CVs \(a b c d e\); expected 1 to 4"):
        read_opes(write(text, "bad"))


def test_states_of_other_runs_are_refused(write):
    other = TWO.replace("phi", "psi")
    with pytest.raises(FileFormatError, match=r"from here on|not the columns"):
        read_opes(write(TWO + other, "bad"))
    other = changed("max_phi", "3")
    with pytest.raises(FileFormatError, match="the periods differ from those of"):
        read_opes(write(TWO + other, "bad"))
    explored = changed("action", "OPES_METAD_EXPLORE_state")
    with pytest.raises(FileFormatError, match="not the columns and action of"):
        read_opes(write(TWO + explored, "bad"))


def test_a_flat_target_has_an_infinite_biasfactor_but_explore_has_not(write):
    assert np.isinf(read_opes(write(changed("biasfactor", "inf"))).states[-1].biasfactor)
    explored = changed("action", "OPES_METAD_EXPLORE_state", changed("biasfactor", "inf"))
    with pytest.raises(FileFormatError, match="biasfactor inf; expected more than 1, and finite"):
        read_opes(write(explored, "bad"))


def test_opes_files_are_no_hills(write):
    for text in (TWO, KERNELS, without("action")):
        with pytest.raises(FileFormatError, match=r"this is an OPES file.*'cyfes opes "):
            read_hills(write(text, "bad"))


def test_every_is_a_count():
    with pytest.raises(InputError, match="every must be at least 0, got -1"):
        read_opes(DATA / "STATE.gz", every=-1)


# --- states that are not whole


@pytest.mark.parametrize("n", [1, N_KERNELS // 2, N_KERNELS - 1])
def test_a_state_with_missing_rows_is_refused(write, n):
    path = write(cut(n), "bad")
    message = f"bad:{SECOND + 1}: the state that begins here is not whole: its {N_KERNELS - n} k"
    with pytest.raises(FileFormatError, match=message) as caught:
        read_opes(path)
    assert "--on-bad skip takes the last whole state" in str(caught.value)
    with pytest.warns(CyfesWarning, match=f"{message}.*it is left out"):
        found = read_opes(path, on_bad="skip")
    assert (found.n_found, found.states[-1].time) == (1, 990)


def test_a_header_without_kernels_at_the_end_is_refused(write):
    path = write(cut(N_KERNELS), "bad")
    with pytest.raises(FileFormatError, match="not whole: no kernel follows its header"):
        read_opes(path)
    with pytest.warns(CyfesWarning, match="no kernel follows its header; it is left out"):
        assert read_opes(path, on_bad="skip").states[-1].time == 990


@pytest.mark.parametrize("end", ["#! FIELDS time p", "#! SET action OPES_M", "#! SET zed"])
def test_a_header_that_is_cut_off_is_no_state(write, end):
    head = "".join(line for line in LINES[:SECOND] if line.startswith("#"))
    begun = head[: head.index(end[:12])]
    path = write(f"{TWO}{begun}{end}", "bad")
    with pytest.raises(FileFormatError, match="--on-bad skip"):
        read_opes(path)
    with pytest.warns(CyfesWarning, match="no kernel follows its header; it is left out"):
        assert read_opes(path, on_bad="skip").states[-1].time == 1000


def test_a_row_that_is_cut_off_takes_its_state_along(write):
    path = write(TWO[: TWO.rindex(" ") - 30], "bad")
    with pytest.raises(FileFormatError, match="--on-bad skip"):
        read_opes(path)
    with pytest.warns(CyfesWarning, match="it is left out"):
        found = read_opes(path, on_bad="skip")
    assert found.states[-1].time == 990
    assert found.dropped == {"last line cut off": 1}


def test_no_whole_state_is_an_error_even_where_rows_may_be_skipped(write):
    path = write("".join(LINES[: SECOND - 1]), "bad")
    with (
        pytest.warns(CyfesWarning, match="it is left out"),
        pytest.raises(FileFormatError, match="bad: no whole state"),
    ):
        read_opes(path, on_bad="skip")


def test_rows_within_the_file_are_missed_too(write):
    text = "".join([*LINES[: SECOND - 1], *LINES[SECOND:]])
    with pytest.raises(FileFormatError, match="bad:1: the state that begins here is not whole"):
        read_opes(write(text, "bad"))


def test_a_small_drift_of_z_is_told(write):
    zed = read_opes(write(TWO)).states[-1].zed
    text = changed("zed", f"{zed * 1.0005:.16g}", "".join(LINES[SECOND:]))
    with pytest.warns(CyfesWarning, match="make Z .*, its header says .*; are rows missing"):
        read_opes(write(text))


def test_without_z_missing_rows_cannot_be_told_which_is_said(write):
    found = read_opes(write(changed("zed", "1", cut(3))))
    assert found.notes == ("Z is 1, as with NO_ZED: whether rows are missing cannot be told",)


def test_a_header_without_kernels_between_states_is_none(write):
    """OPES may write a state before its first kernel."""
    head = "".join(line for line in LINES[:SECOND] if line.startswith("#"))
    assert read_opes(write(head + TWO)).n_found == 2


# --- KERNELS


def test_kernels_of_a_restart(write):
    head, rows = KERNELS.split("\n ", 1)
    lines = [f" {line}\n" for line in rows.splitlines()]
    parts = "".join(lines[:500]), "".join(lines[500:])
    whole = read_opes(write(KERNELS)).states[-1]
    again = read_opes(write(f"{head}\n{parts[0]}{head}\n{parts[1]}")).states[-1]
    np.testing.assert_array_equal(again.centers, whole.centers)
    overlap = read_opes(write(f"{head}\n{parts[0]}{head}\n{lines[400]}{parts[1]}"))
    assert "time goes back from 500 to 401" in overlap.notes[0]
    assert "give its STATE file" in overlap.notes[0]
    other = changed("epsilon", "0.5", head)
    with pytest.raises(FileFormatError, match="kernels of two runs make no state"):
        read_opes(write(f"{head}\n{parts[0]}{other}\n{parts[1]}"))
    other = changed("compression_threshold", "0.5", head)
    with pytest.raises(FileFormatError, match=r"threshold 0\.5 differs from 1 in"):
        read_opes(write(f"{head}\n{parts[0]}{other}\n{parts[1]}"))


def test_without_a_threshold_kernels_stay(write):
    text = changed("compression_threshold", "0", KERNELS)
    assert len(read_opes(write(text)).states[-1]) == 1000
    with pytest.raises(FileFormatError, match="no SET compression_threshold"):
        read_opes(write(without("compression_threshold", KERNELS)))


def test_bad_kernels_are_left_out_if_asked_for(write):
    text = KERNELS.replace("\n 7 ", "\n 7 nan ", 1)
    with pytest.raises(FileFormatError, match="6 columns where 5 are expected"):
        read_opes(write(text))
    found = read_opes(write(text), on_bad="skip")
    assert (found.n_found, sum(found.dropped.values())) == (999, 1)


def test_weights_that_overflow_are_refused(write):
    rows = KERNELS.split("\n ")
    rows[5] = " ".join([*rows[5].split()[:-1], "1000"])
    with pytest.raises(FileFormatError, match="no finite sum of weights"):
        read_opes(write("\n ".join(rows)))
