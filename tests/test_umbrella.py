"""Umbrella windows: lists of them, their surface and its errors, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import umbrella_windows
from plumed_files import report_of, run

from cyfes import FreeEnergySurface
from cyfes.deltag import difference_of_frames
from cyfes.errors import CyfesWarning, FileFormatError, FileMissingError, InputError
from cyfes.mbar import Computed, solve
from cyfes.regions import Region, TwoRegions
from cyfes.restraints import read_windows
from cyfes.selection import Selection
from cyfes.umbrella import read_umbrella, umbrella_of_arrays, weighted_by
from cyfes.uncertainty import ErrorRequest
from cyfes.windowblocks import WindowBlocks, region_sums

GRID = {"lower": [-1.6], "upper": [1.6], "bins": [160]}
OPTIONS = ["--kt", "1", "--units", "kt"]


@pytest.fixture
def listed(tmp_path, monkeypatch):
    """The current folder with nine windows and their list."""
    monkeypatch.chdir(tmp_path)
    return umbrella_windows.write_windows(tmp_path, *umbrella_windows.windows())


def joined(**options):
    return umbrella_of_arrays(*umbrella_windows.windows(**options), kbt=1.0)


def test_the_surface_is_the_one_that_was_sampled():
    samples = joined(n=4000).samples
    found = FreeEnergySurface.from_colvar(samples, kbt=1.0, bandwidth=[0.03], **GRID)
    x = found.grid.axes[0]
    difference = found.values - umbrella_windows.double_well(x)
    inside = np.abs(x) < 1.4
    assert np.ptp(difference[inside]) < 0.2


def test_a_list_of_files_is_what_arrays_are(listed):
    found = read_umbrella(str(listed), 1.0)
    frames, centers, springs = umbrella_windows.windows()
    wanted = umbrella_of_arrays([np.round(x, 8) for x in frames], centers, springs, 1.0)
    np.testing.assert_allclose(found.mixture.free_energies, wanted.mixture.free_energies, atol=1e-5)
    np.testing.assert_allclose(found.samples.log_weights, wanted.samples.log_weights, atol=1e-4)
    assert found.samples.names == ("x",)
    assert found.samples.ends == wanted.samples.ends


def test_the_command_writes_surface_windows_and_overlap(listed, capsys):
    words = ["umbrella", listed, *OPTIONS, "--sigma", "0.05", "--min", "-1.5", "--max", "1.5"]
    words += ["--bin", "60", "--error", "--windows", "w.dat", "--overlap", "o.dat"]
    code, out, err = run(capsys, *words)
    assert (code, err) == (0, "")
    told = report_of(out)
    assert told["windows"] == "9, restrained in x"
    assert told["samples used"] == "3600"
    assert told["weakest overlap"].endswith(("COLVAR.3", "COLVAR.4", "COLVAR.5", "COLVAR.6"))
    surface = np.loadtxt("fes.dat")
    assert surface.shape == (61, 4)
    difference = surface[:, 1] - umbrella_windows.double_well(surface[:, 0])
    inside = slice(8, -8)
    assert np.ptp(difference[inside]) < 6 * surface[inside, 3].mean()
    windows = np.loadtxt("w.dat")
    assert windows[:, 1] == pytest.approx(np.linspace(-1.5, 1.5, 9), abs=1e-6)
    assert windows[0, 4:6].tolist() == [0.0, 0.0]
    assert np.all(windows[1:, 5] > 0)
    np.testing.assert_allclose(np.loadtxt("o.dat").sum(axis=1), 1, rtol=1e-4)


def test_every_command_of_frames_takes_the_list(listed, capsys):
    code, out, err = run(
        capsys, "deltag", listed, "--weights", "mbar", *OPTIONS, "--b", "x=0:", "--blocks", "20"
    )
    assert (code, err) == (0, "")
    value = float(report_of(out)["dG = F(B) - F(A)"].split()[0])
    grid = umbrella_windows.GRID
    p = np.exp(-umbrella_windows.double_well(grid))
    error = float(report_of(out)["dG = F(B) - F(A)"].split()[2])
    assert abs(value + np.log(p[grid >= 0].sum() / p[grid < 0].sum())) < 4 * error
    frames = [listed, "--weights", "mbar", *OPTIONS, "--sigma", "0.08"]
    code, out, _ = run(capsys, "minima", *frames)
    assert code == 0
    assert report_of(out)["minima"].startswith("2 of")
    code, out, _ = run(capsys, "reweight", *frames)
    assert (code, report_of(out)["weights"]) == (0, "mbar")


def test_the_errors_are_those_of_repeated_runs():
    values, errors = [], []
    both = TwoRegions(None, Region.parse(["s1=0:"], "--b"))
    rng = np.random.default_rng(11)
    centers, springs = np.linspace(-1.4, 1.4, 7), np.full(7, 20.0)
    grid = umbrella_windows.GRID
    for _ in range(40):
        frames = []
        for c in centers:
            density = np.exp(-umbrella_windows.double_well(grid) - 10 * (grid - c) ** 2)
            frames.append(np.interp(rng.random(300), np.cumsum(density) / density.sum(), grid))
        samples = umbrella_of_arrays(frames, centers, springs, 1.0).samples
        found = difference_of_frames(samples, both, 1.0)
        values.append(found.value)
        errors.append(found.error)
    assert 0.7 < np.mean(errors) / np.std(values) < 1.4


def test_blocks_of_single_frames_are_the_covariance_of_mbar():
    found = joined(n_windows=5, n=300, spring=12.0)
    mixture = replace(found.mixture, times=np.ones(5))
    blocks = WindowBlocks.of(mixture, 300)
    covariance = blocks.influences.T @ blocks.influences * len(blocks) / (len(blocks) - 1)
    own = np.diag(covariance)
    errors = np.sqrt(own + own[0] - 2 * covariance[0])
    np.testing.assert_allclose(errors[1:], mixture.errors()[1:], rtol=0.25)
    assert np.abs(blocks.influences.sum(axis=0)).max() < 1e-9


def test_sums_over_groups_add_up_to_the_whole():
    samples = joined(n_windows=4, n=101, spring=6.0).samples
    labels = (samples.values[:, 0] > 0).astype(int)
    for n_blocks in (2, 7, None):
        blocks = WindowBlocks.of(samples.mixture, n_blocks)
        sums = region_sums(samples, labels, 2, blocks)
        weights = np.exp(samples.log_weights - samples.log_weights.max())
        whole = np.bincount(labels, weights)
        np.testing.assert_allclose(sums.values.sum(axis=0), whole, rtol=1e-9)
        assert sums.weights.sum() == pytest.approx(weights.sum())


def test_reduced_energies_of_any_kind_make_a_surface():
    frames, centers, springs = umbrella_windows.windows(5, 200, spring=12.0)
    found = umbrella_of_arrays(frames, centers, springs, 1.0)
    u_kn = np.array([found.mixture.energies.of_window(k) for k in range(5)])
    mixture = replace(solve(Computed.of_array(u_kn), found.mixture.counts), times=found.times)
    plain = replace(found.samples, log_weights=np.zeros(1000), mixture=None)
    samples = weighted_by(mixture, plain)
    options = {"kbt": 1.0, "bandwidth": [0.05], "error": True, "blocks": 10, **GRID}
    one, other = (FreeEnergySurface.from_colvar(s, **options) for s in (samples, found.samples))
    np.testing.assert_allclose(one.values, other.values, atol=1e-7)
    np.testing.assert_allclose(one.error, other.error, rtol=1e-6)


def test_cvs_with_a_period_and_others_than_the_restrained_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = []
    for k, center in enumerate(np.arange(-3, 3.1, 0.5)):
        phi = (center + 0.4 * rng.normal(size=300) + np.pi) % (2 * np.pi) - np.pi
        rows = "\n".join(f"{t} {p:.6f} {q:.6f}" for t, (p, q) in enumerate(zip(phi, np.cos(phi))))
        header = "#! FIELDS time phi psi\n#! SET min_phi -pi\n#! SET max_phi pi\n"
        (tmp_path / f"c{k}").write_text(f"{header}{rows}\n")
        lines.append(f"c{k} {center} 1/0.4^2\n")
    (tmp_path / "list").write_text("#! FIELDS file at_phi kappa_phi\n" + "".join(lines))
    flat = read_umbrella("list", 1.0)
    # Without a force of its own phi is uniform.
    assert np.abs(flat.mixture.free_energies).max() < 0.5
    assert flat.samples.periods[0] == pytest.approx(2 * np.pi)
    other = read_umbrella("list", 1.0, Selection(cv=["psi"]))
    assert other.samples.names == ("psi",)
    np.testing.assert_array_equal(other.samples.log_weights, flat.samples.log_weights)


def test_restraints_in_the_columns_of_colvar_files(listed, tmp_path, capsys):
    frames, centers, springs = umbrella_windows.windows()
    paths = []
    for k, (x, c, s) in enumerate(zip(frames, centers, springs)):
        path = tmp_path / f"own.{k}"
        rows = "\n".join(f"{t} {v:.8f} {c:.6f} {s:.6f}" for t, v in enumerate(x))
        path.write_text(f"#! FIELDS time x r.x_cntr r.x_kappa\n{rows}\n")
        paths.append(str(path))
    found = read_umbrella(paths, 1.0, Selection(cv=["x"]))
    wanted = read_umbrella(str(listed), 1.0)
    np.testing.assert_allclose(found.mixture.free_energies, wanted.mixture.free_energies, atol=1e-9)
    (tmp_path / "own.0").write_text("#! FIELDS time x r.x_cntr r.x_kappa\n0 1 1 5\n1 1 2 5\n")
    code, _, err = run(capsys, "umbrella", *paths, *OPTIONS)
    assert code == 2
    assert "own.0: r.x_cntr goes from 1 to 2: a restraint that moves makes no window" in err


def test_xvg_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames, centers, springs = umbrella_windows.windows()
    text = ""
    for k, (x, c, s) in enumerate(zip(frames, centers, springs)):
        rows = "\n".join(f"{t:.4f}\t{v:.8f}" for t, v in enumerate(x))
        head = '# gmx mdrun\n@    title "Pull COM"\n@    xaxis  label "Time (ps)"\n'
        head += '@ s0 legend "1"\n@TYPE xy\n'
        (tmp_path / f"pullx{k}.xvg").write_text(f"{head}{rows}\n")
        text += f"pullx{k}.xvg {c} {s} 1.5\n"
    (tmp_path / "list").write_text(text)
    found = read_umbrella("list", 1.0)
    assert found.samples.names == ("1",)
    assert found.times.tolist() == [1.5] * 9


def test_walls_that_all_windows_share_are_taken_off(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def wall(x):
        return 3 * np.maximum(x - 0.5, 0) ** 2

    def walled(x):
        return umbrella_windows.double_well(x) + wall(x)

    centers = np.linspace(-1.5, 1.5, 9)
    text = ""
    for k, c in enumerate(centers):
        x = umbrella_windows.exact_frames(c, 25.0, 2000, k, walled)
        rows = "\n".join(
            f"{t} {v:.8f} {12.5 * (v - c) ** 2:.8f} {w:.8f}"
            for t, (v, w) in enumerate(zip(x, wall(x)))
        )
        (tmp_path / f"c{k}").write_text(f"#! FIELDS time x r.bias uwall.bias\n{rows}\n")
        text += f"c{k} {c} 25\n"
    (tmp_path / "list").write_text(text)
    with pytest.raises(InputError, match=r"is one of the biases r\.bias, uwall\.bias"):
        read_umbrella("list", 1.0)
    samples = read_umbrella("list", 1.0, Selection(bias=["uwall.bias"])).samples
    found = FreeEnergySurface.from_colvar(samples, kbt=1.0, bandwidth=[0.03], **GRID)
    x = found.grid.axes[0]
    inside = np.abs(x) < 1.3
    assert np.ptp((found.values - umbrella_windows.double_well(x))[inside]) < 0.2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# nothing\n", "list: no windows; expected 'FILE CENTER K"),
        ("COLVAR.0\n", r"list:1: 'COLVAR.0' has no center and no spring constant.*gmx wham"),
        ("COLVAR.0 1\n", "list:1: 1 numbers may be those of no number of the CVs x; say"),
        ("COLVAR.0 1 2 3 4 5\n", "list:1: 5 numbers may be those of no number of the CVs x"),
        ("0 1 25\n", "list:1: '0' is a number where the file of a window is named"),
        ("COLVAR.0 1 x\n", "list:1: column 3 .spring constant of x.: 'x' is not a number"),
        ("COLVAR.0 1 -2\n", "list:1: column 3: spring constant of x must be a finite number of at"),
        ("COLVAR.0 inf 2\n", "list:1: column 2: center of x must be a finite number, got 'inf'"),
        ("COLVAR.0 1 25\nCOLVAR.1 1\n", "list:2: 2 columns where 3 are expected"),
        ("#! FIELDS file at_x\nCOLVAR.0 1\n", "list: the header has 0 columns 'kappa_x'"),
        ("#! FIELDS file at_x kappa_x k\nCOLVAR.0 1 1 1\n", "list: the header has a column 'k'"),
        ("#! FIELDS file\nCOLVAR.0\n", "list:1: 'COLVAR.0' has no center|list:2: 'COLVAR.0'"),
        ("#! FIELDS at_x kappa_x file\n1 1 COLVAR.0\n", "list:2: '1' is a number|must be 'file'"),
        ("#! FIELDS time x\n0 1\n", "list:1: no list of windows, and a COLVAR file without"),
    ],
)
def test_lists_that_are_refused(listed, text, message):
    (listed.parent / "list").write_text(text)
    with pytest.raises(FileFormatError, match=message):
        read_windows("list")


def test_what_is_restrained_is_never_guessed(listed):
    folder = listed.parent
    (folder / "two").write_text("#! FIELDS time x y r.bias\n0 1 1 0\n")
    (folder / "list").write_text("two 1 25\n")
    with pytest.raises(FileFormatError, match=r"which of x, y is restrained; .* at_x kappa_x'"):
        read_windows("list")
    (folder / "list").write_text("two 1 2 3 4\n")
    with pytest.raises(FileFormatError, match="4 numbers may be those of 1 or 2 of the CVs x, y"):
        read_windows("list")
    (folder / "list").write_text("#! FIELDS file at_y kappa_y correlation\ntwo 1 25 3\n")
    found = read_windows("list")
    assert (found.names, found.windows[0].correlation) == (("y",), 3.0)
    (folder / "plain").write_text("0 1 2 3\n")
    (folder / "list").write_text("plain 1 25\n")
    assert read_windows("list").names == ("1",)
    (folder / "list").write_text("COLVAR.0 -1.5 25 3 300\n")
    window = read_windows("list").windows[0]
    assert (window.correlation, window.temperature) == (3.0, 300.0)


def test_files_that_are_refused(listed, capsys):
    (listed.parent / "list").write_text("none 1 25\n")
    with pytest.raises(FileMissingError, match="list:1: no file none, neither here nor beside"):
        read_windows("list")
    (listed.parent / "bin").write_bytes(b"\0\1\2")
    with pytest.raises(FileFormatError, match=r"bin: this is a binary file.*\.tpr"):
        read_windows("bin")
    (listed.parent / "list").write_text("COLVAR.0 1 25\nCOLVAR.0 1.1 25\n")
    with pytest.raises(InputError, match=r"COLVAR.0 is given twice"):
        read_umbrella("list", 1.0)
    text = (listed.parent / "COLVAR.3").read_text().replace("\n7 ", "\n7 bad", 1)
    (listed.parent / "COLVAR.3").write_text(text)
    code, out, err = run(capsys, "umbrella", listed, *OPTIONS)
    assert (code, out) == (2, "")
    assert "COLVAR.3:9: column 2 (x): 'bad" in err
    assert not (listed.parent / "fes.dat").exists()


def test_a_list_beside_its_files_serves_from_elsewhere(listed, tmp_path, monkeypatch):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert len(read_umbrella(str(listed), 1.0).listed.windows) == 9


def test_restraints_that_are_not_those_of_the_frames(listed):
    text = listed.read_text()
    listed.write_text(text.replace(" 25.0", " 50.0"))
    with pytest.raises(InputError, match=r"windows.dat:2: the energy of this restraint is .* kBT"):
        read_umbrella(str(listed), 1.0)
    frames, centers, springs = umbrella_windows.windows()
    with pytest.raises(InputError, match=r"spread \d+ times as far .* K\*\(pi/180\)\^2"):
        umbrella_of_arrays(frames, centers, springs * (180 / np.pi) ** 2, 1.0)
    with pytest.warns(CyfesWarning, match=r"restraints with more than 25 kBT on average: window 5"):
        umbrella_of_arrays([*frames[:5], frames[4]], np.append(centers[:5], 1.6), springs[:6], 1.0)


def test_windows_that_do_not_overlap_are_named():
    frames, centers, springs = umbrella_windows.windows()
    some = [0, 1, 6, 7, 8]
    with pytest.raises(InputError, match=r"do not overlap: window 0, window 1 share .* 3 others"):
        umbrella_of_arrays([frames[k] for k in some], centers[some], springs[some], 1.0)
    wide = [0, 1, 3, 5, 7, 8]
    with pytest.warns(CyfesWarning, match="weak links between windows"):
        umbrella_of_arrays([frames[k] for k in wide], centers[wide], springs[wide], 1.0)


def test_windows_without_frames_are_left_out(listed):
    (listed.parent / "COLVAR.9").write_text("#! FIELDS time x restraint.bias\n-5 0 0\n")
    listed.write_text(listed.read_text() + "COLVAR.9 0 25\n")
    with pytest.warns(CyfesWarning, match=r"1 of 10 windows have no frames .* COLVAR.9;"):
        found = read_umbrella(str(listed), 1.0, Selection(start=0))
    wanted = [w.path for w in found.listed.windows]
    assert wanted == [f"COLVAR.{k}" for k in range(9)]


def test_another_temperature_is_refused(listed):
    listed.write_text("COLVAR.0 -1.5 25 1 300\n")
    with pytest.raises(InputError, match=r"windows.dat:1: the temperature is 300 K, and kBT = 2.1"):
        read_umbrella(str(listed), 2.1, Selection(cv=["x"]))


def test_errors_need_frames_in_every_window():
    frames, centers, springs = umbrella_windows.windows(3, 40, spring=6.0)
    found = umbrella_of_arrays([*frames[:2], frames[2][:5]], centers, springs, 1.0)
    options = {"kbt": 1.0, "bandwidth": [0.1], **GRID}
    with pytest.raises(InputError, match="window window 2 has 5 frames, and its error needs at"):
        FreeEnergySurface.from_colvar(found.samples, error=True, blocks=6, **options)
    with pytest.warns(CyfesWarning, match="lower bounds: not converged: window window 2 is 5 corr"):
        FreeEnergySurface.from_colvar(found.samples, error=True, **options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["converge", "--weights", "mbar"], "--weights mbar is for windows, which are no run"),
        (["reweight", "--weights", "mbar", "--stream", "--sigma", "1"], "leave --stream out"),
        (["reweight", "--hills", "COLVAR.0", "--weights", "mbar"], "--hills is for --weights"),
        (["umbrella", "--sigma", "auto-f"], "--sigma auto-f is for one run"),
        (["umbrella", "--windows", "COLVAR.2"], "COLVAR.2 is read by this command"),
        (["umbrella", "--outfile", "windows.dat"], "windows.dat is read by this command"),
    ],
)
def test_options_that_are_refused(listed, capsys, words, message):
    code, out, err = run(capsys, *words, "windows.dat", *OPTIONS)
    assert (code, out) == (2, "")
    assert message in err


@pytest.mark.filterwarnings("always::cyfes.errors.CyfesWarning")
def test_several_windows_as_one_run_are_told_of_the_command(listed, capsys):
    code, _, err = run(
        capsys, "reweight", "COLVAR.0", "COLVAR.1", *OPTIONS, "--sigma", "0.1", "--cv", "x"
    )
    assert code == 0
    assert "'cyfes umbrella'" in err


def test_published_free_energies_and_errors(shared_data):
    """pymbar's example: a dihedral in 26 windows, with frames taken for independent."""
    folder = shared_data / "truth-pymbar-umbrella"
    published = (folder / "assumedatauncorrelated.output.txt").read_text()
    numbers = published.split("Final dimensionless free energies")[1].split("[")[1].split("]")[0]
    table = np.array([row.split() for row in published.split("bin        f")[1].split("\n")[1:37]])
    bins, bin_errors = table[:, 1].astype(float), table[:, 2].astype(float)
    kbt = 1.381e-23 * 6.022e23 / 1000 * 300  # as in the example
    rows = [line.split() for line in (folder / "centers.dat").read_text().splitlines()]
    springs = np.array([float(k) for _, k in rows]) * (np.pi / 180) ** 2
    frames = [
        np.loadtxt(folder / f"prod{k}_dihed.xvg", comments=("#", "@"))[:, 1]
        for k in range(len(rows))
    ]
    centers = np.array([float(c) for c, _ in rows])
    found = umbrella_of_arrays(frames, centers, springs, kbt, period=[360.0])
    np.testing.assert_allclose(
        found.mixture.free_energies, np.array(numbers.split(), float), atol=1e-4
    )
    mixture = replace(found.mixture, times=np.ones(26))
    samples = replace(found.samples, mixture=mixture)
    labels = np.floor(((samples.values[:, 0] + 180) % 360) / 10).astype(int)
    sums = region_sums(samples, labels, 36, WindowBlocks.of(mixture, 501))
    whole = sums.values.sum(axis=0)
    f = -np.log(whole)
    np.testing.assert_allclose(f - f[-1], bins, atol=1e-3)
    shares = sums.values / whole
    errors = sums.spread(shares - shares[:, -1:])
    np.testing.assert_allclose(errors[:-1], bin_errors[:-1], rtol=0.2)


def test_blocks_of_a_request_are_those_of_each_window():
    samples = joined(n_windows=4, n=100, spring=6.0).samples
    both = TwoRegions(None, Region.parse(["s1=0:"], "--b"))
    found = difference_of_frames(samples, both, 1.0, ErrorRequest(10))
    assert len(found.blocks) == 40
    assert found.blocks.length == 10
