"""One build serves every Python: a package runs in a prefix of a newer one."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("rattler_build", reason="no rattler-build: make conda installs it")

import prefix as prefixes
from build_packages import ROOT
from test_conda_package import CHANNEL, CHECK, FOLDER, PACKAGES, flavour

sys.path.append(str(ROOT / "wheel"))
from environments import other_pythons


@pytest.fixture(scope="module")
def newer(tmp_path_factory) -> tuple[str, str]:
    """The newest Python of this machine, by version, and a channel with it and NumPy."""
    pythons = other_pythons()
    if not pythons:
        pytest.skip("no newer CPython beside this one or on PATH")
    version, python = list(pythons.items())[-1]
    folder = tmp_path_factory.mktemp("newer")
    subprocess.run([python, "-m", "venv", folder / "env"], check=True)
    inside = folder / "env" / "bin" / "python"
    requirements = ROOT / "tools" / "conda" / "requirements.txt"
    subprocess.run([inside, "-m", "pip", "install", "-qq", "-r", requirements], check=True)
    make = [inside, ROOT / "tools" / "conda" / "channel.py", folder / "channel", "--only-python"]
    # With PYTHONSAFEPATH the script would not find those beside it.
    subprocess.run(make, check=True, env=os.environ | {"PYTHONSAFEPATH": ""})
    return version, (folder / "channel").as_uri()


@pytest.mark.parametrize("package", PACKAGES, ids=flavour)
def test_a_newer_python(newer, package, tmp_path):
    version, channel = newer
    name, release, build = package.name.removesuffix(".conda").rsplit("-", 2)
    specs = [f"{name} =={release} {build}", f"python {version}.*"]
    prefix = prefixes.create(tmp_path / "prefix", specs, [channel, FOLDER.as_uri(), CHANNEL])
    assert (prefix / "lib" / f"python{version}" / "site-packages" / "cyfes").is_dir()
    done = prefixes.run(prefix, "python", CHECK, flavour(package))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("no problems\n")
    assert f"lib/python{version}/site-packages" in prefixes.run(prefix, "cyfes", "info").stdout
