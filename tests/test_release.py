"""What must agree before anything is released, and what the workflows promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import cyfes

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
if not WORKFLOWS or not (ROOT / "tools").is_dir():
    pytest.skip("no checkout beside the tests", allow_module_level=True)

V = cyfes.__version__
WHEEL = f"cyfes-{V}-cp311-abi3-manylinux_2_28_x86_64.whl"


def check(*words):
    """Exit code and words of tools/check_release.py."""
    command = [sys.executable, ROOT / "tools" / "check_release.py", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--tag", f"v{V}"], None),
        (["--tag", f"v{V}", WHEEL, f"cyfes-{V}.tar.gz"], None),
        (["--tag", f"v{V}", "--distribution", "CyFES", WHEEL, f"cyfes-{V}.tar.gz"], None),
        (["--tag", f"v{V}1"], f"the tag is v{V}1, the version {V}: expected the tag v{V}"),
        (["--tag", V], f"expected the tag v{V}"),
        (["--tag", f"v{V}", "cyfes-1.0.tar.gz"], "has the version 1.0"),
        (["--tag", f"v{V}", "--distribution", "cyfes-2", WHEEL], "is a distribution named cyfes"),
    ],
)
def test_a_release_is_what_it_says(words, message):
    code, told = check(*words)
    assert code == (message is not None)
    assert (message or "") in told
    assert told.count("\n") == code


def test_the_name_is_checked_against_files():
    assert check("--tag", f"v{V}", "--distribution", "cyfes")[0] == 2


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_keep_no_credentials(file):
    text = file.read_text()
    for action in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action
    checkouts = text.count("uses: actions/checkout@")
    assert text.count("persist-credentials: false") == checkouts
    assert re.search(r"^permissions:", text, re.MULTILINE)


def test_one_action_has_one_pin():
    pins = re.findall(r"uses: (\S+)@(\S+)", "".join(file.read_text() for file in WORKFLOWS))
    assert len(dict(pins)) == len(set(pins))


@pytest.mark.parametrize("folder", ["wheel", ".github"])
def test_what_is_installed_is_locked_with_hashes(folder):
    asked = (ROOT / folder / "requirements.in").read_text()
    locked = (ROOT / folder / "requirements.txt").read_text()
    pinned = r"^([\w.-]+==[^\s;]+)(?: ;.*)? \\\n(?:    --hash=\S+(?: \\)?\n)+"
    entries = re.findall(pinned, locked, re.MULTILINE)
    assert len(entries) == len(re.findall(r"^[^\s#]", locked, re.M))
    names = set(entries)
    for line in re.findall(r"^[^#\n]+", asked, re.M):
        exact = line.partition(";")[0].strip() in names
        assert exact or any(name.startswith(line.partition(">=")[0] + "==") for name in names)
