"""Frames read and summed a chunk at a time give what whole arrays give."""

import gzip

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cyfes import FreeEnergySurface
from cyfes.cli import main
from cyfes.errors import FileFormatError, InputError
from cyfes.reweight import SampleStream, Selection, WeightSums, read_samples
from cyfes.tables import reader as tablereader

HEADER = "#! FIELDS time phi x metad.bias energy\n#! SET min_phi -pi\n#! SET max_phi pi\n"
CHOSEN = {"cv": ["phi", "x"], "bias": ["metad.bias"]}
GRID = {"lower": ["-pi", -2], "upper": ["pi", 2], "bins": [30, 25], "bandwidth": [0.3, 0.2]}


def write_colvar(path, n=300, seed=1, zipped=False, bad=False):
    """A run that was restarted twice: repeated frames, time that goes back, columns that move."""
    rng = np.random.default_rng(seed)
    lines = [HEADER]
    times = np.r_[0 : n // 2, n // 2 - 1 : 2 * n // 3, n // 2 : n]
    phi, x = rng.uniform(-3, 3, n), rng.normal(size=n)
    for k, t in enumerate(times):
        if k in (n // 2, 2 * n // 3 + 1):
            lines.append(HEADER)
        lines.append(f" {t}.0 {phi[t]:.9f} {x[t]:.9f} {rng.uniform(0, 30):.6f} nan\n")
        if bad and k % 50 == 7:
            lines.append(f" {t}.5 1 2 oops 4\n 1 2\n")
    text = "".join(lines).encode()
    path.write_bytes(gzip.compress(text) if zipped else text)
    return path


@pytest.fixture(params=[64, 1000, 1 << 16])
def block_bytes(request, monkeypatch):
    """Blocks from less than a row to the whole file."""
    monkeypatch.setattr(tablereader, "FIRST_BYTES", request.param)
    monkeypatch.setattr(tablereader, "BLOCK_BYTES", 2 * request.param)


def whole(paths, selection):
    """Samples read in one block, whatever the usual size of blocks is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tablereader, "FIRST_BYTES", 1 << 20)
        patch.setattr(tablereader, "BLOCK_BYTES", 1 << 20)
        return read_samples(paths, 2.5, selection)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(0, 330),
    st.integers(1, 7),
    st.none() | st.integers(0, 100),
    st.none() | st.integers(150, 299),
)
def test_rows_are_chosen_alike(tmp_path, block_bytes, skip, every, start, stop):
    files = [
        write_colvar(tmp_path / "a", bad=True),
        write_colvar(tmp_path / "b.gz", seed=2, zipped=True),
    ]
    selection = Selection(**CHOSEN, skip=skip, every=every, start=start, stop=stop, on_bad="skip")
    try:
        expected = whole(files, selection)
    except InputError as error:
        with pytest.raises(InputError, match=str(error)):
            list(SampleStream(files, 2.5, selection).chunks())
        return
    stream = SampleStream(files, 2.5, selection)
    chunks = list(stream.chunks())
    assert np.array_equal(np.concatenate([v for v, _ in chunks]), expected.values)
    assert np.array_equal(np.concatenate([w for _, w in chunks]), expected.log_weights)
    assert (stream.n_read, stream.n_used) == (expected.n_read, len(expected))
    assert stream.dropped == expected.dropped
    assert tuple(stream.notes) == expected.notes
    gathered = read_samples(files, 2.5, selection)
    assert np.array_equal(gathered.values, expected.values)
    assert (gathered.notes, gathered.dropped) == (expected.notes, expected.dropped)


def test_a_streamed_surface_is_that_of_whole_arrays(tmp_path, block_bytes):
    files = [write_colvar(tmp_path / "a"), write_colvar(tmp_path / "b", seed=3, zipped=True)]
    in_memory = FreeEnergySurface.from_colvar(files, kbt=2.5, **CHOSEN, **GRID)
    streamed = FreeEnergySurface.from_colvar(files, kbt=2.5, stream=True, **CHOSEN, **GRID)
    assert streamed.grid == in_memory.grid
    np.testing.assert_allclose(streamed.values, in_memory.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(streamed.derivatives, in_memory.derivatives, rtol=1e-9, atol=1e-9)


def test_sums_of_weights_do_not_depend_on_chunks():
    rng = np.random.default_rng(5)
    log_weights = np.concatenate([rng.normal(0, 5, 40), rng.normal(2000, 5, 40), [-np.inf, -9e3]])
    for cuts in ([], [1], [40, 41], range(82)):
        sums = WeightSums()
        for part in np.split(log_weights, cuts):
            sums.add(part)
        exact = np.exp(log_weights - 2000)
        assert sums.log_sum == pytest.approx(2000 + np.log(exact.sum()), rel=1e-14)
        assert sums.effective_sample_size == pytest.approx(exact.sum() ** 2 / (exact**2).sum())
    assert WeightSums().log_sum == -np.inf
    assert WeightSums().effective_sample_size == 0


def report_of(capsys, folder, *options):
    """What a run says on stdout and stderr, and the surface it writes."""
    command = ["reweight", str(folder / "COLVAR"), "--cv", "phi,x", "--kt", "2.5"]
    outfile = ["--outfile", str(folder / "fes.dat")]
    assert main([*command, *options, *outfile]) == 0
    captured = capsys.readouterr()
    # The pairs of the last chunk are those of the last decision for or against a GPU.
    lines = [line for line in captured.out.splitlines() if not line.startswith("computed on")]
    return lines, captured.err, np.loadtxt(folder / "fes.dat")


def test_the_command_streams(tmp_path, capsys, block_bytes):
    write_colvar(tmp_path / "COLVAR")
    options = ["--sigma", "0.3,0.2", "--min", "-pi,-2", "--max", "pi,2", "--bin", "30,25"]
    expected = report_of(capsys, tmp_path, *options)
    found = report_of(capsys, tmp_path, *options, "--stream")
    assert found[:2] == expected[:2]
    np.testing.assert_allclose(found[2], expected[2], rtol=1e-9, atol=2e-9)
    assert "1 (repeated at a restart)" in found[0][2]
    assert "time goes back" in found[1]


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ([], "needs --sigma with numbers"),
        (["--sigma", "0.3,0.2"], "to x, which has no period; give --min and --max and --bin or"),
        (["--sigma", "0.3,0.2", "--min", "-pi,-2", "--max", "pi,2"], "; give --bin or --spacing"),
        (["--sigma", "0.3,0.2", "--bin", "30,25"], "; give --min and --max\n"),
    ],
)
def test_a_stream_says_what_it_needs(tmp_path, capsys, options, missing):
    write_colvar(tmp_path / "COLVAR")
    command = ["reweight", str(tmp_path / "COLVAR"), "--cv", "phi,x", "--kt", "2.5", "--stream"]
    assert main([*command, *options, "--outfile", str(tmp_path / "fes.dat")]) == 2
    assert missing in capsys.readouterr().err
    assert not (tmp_path / "fes.dat").exists()


def test_periodic_cvs_need_no_bounds(tmp_path):
    path = write_colvar(tmp_path / "COLVAR")
    chosen = {"cv": ["phi"], "bias": ["metad.bias"], "bandwidth": [0.3]}
    streamed = FreeEnergySurface.from_colvar(path, kbt=2.5, stream=True, **chosen)
    in_memory = FreeEnergySurface.from_colvar(path, kbt=2.5, **chosen)
    assert streamed.grid == in_memory.grid
    np.testing.assert_allclose(streamed.values, in_memory.values, rtol=0, atol=1e-12)


def test_a_bad_row_is_named_in_any_chunk(tmp_path, block_bytes):
    path = write_colvar(tmp_path / "COLVAR")
    lines = path.read_text().splitlines(keepends=True)
    lines[250] = " 1.0 2.0 x 4.0 5.0\n"
    path.write_text("".join(lines))
    with pytest.raises(FileFormatError, match=r"COLVAR:251: column 3 \(x\): 'x' is not a number"):
        list(SampleStream(path, 2.5, Selection(**CHOSEN)).chunks())


def test_sums_of_samples_are_those_of_their_weights(tmp_path):
    samples = read_samples(write_colvar(tmp_path / "COLVAR"), 2.5, Selection(**CHOSEN))
    assert samples.sums.effective_sample_size == pytest.approx(
        np.exp(samples.log_weights).sum() ** 2 / np.exp(2 * samples.log_weights).sum()
    )
