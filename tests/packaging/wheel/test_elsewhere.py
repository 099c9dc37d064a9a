"""Where no wheel is made, the commands say what to do instead."""

import runpy
import sys

import pytest
from conftest import ROOT


@pytest.mark.parametrize("words", [["build"], ["repair", "x.whl"], ["verify", "x.whl", "x.tar.gz"]])
def test_no_wheel_is_made_on_a_mac(words, monkeypatch, capsys):
    pytest.importorskip("elftools", reason="no pyelftools: make wheel installs it")
    main = runpy.run_path(str(ROOT / "wheel" / "__main__.py"))["main"]
    monkeypatch.setattr(sys, "argv", ["wheel", *words])
    monkeypatch.setattr(sys, "platform", "darwin")
    assert main() == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "is made on Linux; here, `pip install .`" in line
