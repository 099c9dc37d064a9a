"""A surface that is written and read back is the same surface."""

import numpy as np
import pytest

from cyfes import FreeEnergySurface
from cyfes.errors import InputError


@pytest.fixture(scope="module")
def surface():
    rng = np.random.default_rng(0)
    return FreeEnergySurface.from_samples(
        rng.normal(size=(200, 3)),
        bandwidth=0.3,
        lower=[-np.pi, -4, -4],
        upper=[np.pi, 4, 4],
        shape=[24, 28, 29],
        period=[2 * np.pi, 0, 0],
        kbt=2.494,
        units="kj/mol",
        names=["phi", "d", "r.x"],
    )


def same(a, b, **tolerance):
    assert b.grid == a.grid
    np.testing.assert_allclose(b.values, a.values, **tolerance)


def test_npz_is_exact(surface, tmp_path):
    surface.to_npz(tmp_path / "fes.npz")
    back = FreeEnergySurface.from_npz(tmp_path / "fes.npz")
    same(surface, back, rtol=0)
    np.testing.assert_array_equal(back.derivatives, surface.derivatives)
    assert (back.kbt, back.units, back.value_name) == (2.494, "kj/mol", "file.free")


def test_dat_keeps_what_it_prints(surface, tmp_path):
    surface.to_dat(tmp_path / "fes.dat", fmt="%20.12f")
    back = FreeEnergySurface.from_dat(tmp_path / "fes.dat", kbt=2.494)
    same(surface, back, rtol=0, atol=1e-12)
    np.testing.assert_allclose(back.derivatives, surface.derivatives, rtol=0, atol=1e-12)


def test_cube_keeps_values_grid_and_units(surface, tmp_path):
    surface.to_cube(tmp_path / "fes.cube")
    back = FreeEnergySurface.from_cube(tmp_path / "fes.cube")
    same(surface, back, rtol=1e-15)
    assert back.units == "kj/mol"


@pytest.mark.parametrize("name", ["fes.npz", "fes.dat", "fes.cube", "odd"])
def test_a_surface_is_read_from_any_file(surface, tmp_path, name):
    if name.endswith(".cube"):
        surface.to_cube(tmp_path / name)
    elif name.endswith(".dat"):
        surface.to_dat(tmp_path / name)
    else:
        surface.to_npz(tmp_path / "fes.npz")
        (tmp_path / "fes.npz").rename(tmp_path / name)
    same(surface, FreeEnergySurface.read(tmp_path / name), rtol=0, atol=1e-8)


def test_a_picture_is_no_surface(tmp_path):
    with pytest.raises(InputError, match=r"fes\.png is a picture; expected a \.dat, \.cube or"):
        FreeEnergySurface.read(tmp_path / "fes.png")
