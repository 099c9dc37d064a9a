"""Small PLUMED files for tests, and the command line run on them."""

import numpy as np

from cyfes.cli import main

PERIODIC = "#! SET min_phi -pi\n#! SET max_phi pi\n"


def write_hills(path, n=20, fields=None, constants=PERIODIC, sigma="0.3", rows=None, seed=0):
    """A HILLS file of phi (periodic) and d; ``rows`` replaces lines by number from 0."""
    rng = np.random.default_rng(seed)
    fields = fields or "time phi d sigma_phi sigma_d height biasf"
    lines = [
        f"{i + 1} {rng.uniform(-3, 3):.6f} {rng.uniform(0, 2):.6f} {sigma} 0.2 {1.2:.3f} 10"
        for i in range(n)
    ]
    for at, line in (rows or {}).items():
        lines[at] = line
    text = f"#! FIELDS {fields}\n{constants}" + "\n".join(lines) + "\n"
    path.write_text(text)
    return path


def write_colvar(path, n=50, fields=None, constants=PERIODIC, rows=None, seed=0, start=0):
    """A COLVAR file of phi (periodic), d, a bias and a column of nan that nobody uses."""
    rng = np.random.default_rng(seed)
    fields = fields or "time phi d metad.bias other"
    lines = [
        f"{start + i} {rng.normal(0, 0.8):.6f} {rng.normal(1, 0.3):.6f} {rng.uniform(0, 9):.6f} nan"
        for i in range(n)
    ]
    for at, line in (rows or {}).items():
        lines[at] = line
    path.write_text(f"#! FIELDS {fields}\n{constants}" + "\n".join(lines) + "\n")
    return path


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of one command."""
    try:
        code = main([str(a) for a in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return code, out, err


def report_of(out):
    """The report on stdout as a dict; of lines with the same name the last."""
    return {line[:18].strip(): line[19:] for line in out.splitlines()}
