"""Writes truth.dat: the free energy that this run has, `ff` of its plumed.dat, in kT."""

import re
from pathlib import Path

import numpy as np

POINTS = 180

text = (Path(__file__).parent / "plumed.dat").read_text()
formula = re.search(r"^ff: .*FUNC=(\S+)", text, re.MULTILINE)[1]
axis = -np.pi + 2 * np.pi * np.arange(POINTS) / POINTS
y, x = (grid.ravel() for grid in np.meshgrid(axis, axis, indexing="ij"))
free = eval(formula, {"exp": np.exp, "cos": np.cos, "x": x, "y": y})

with open("truth.dat", "w") as file:
    file.write("#! FIELDS phi psi ff\n")
    for name in ("phi", "psi"):
        file.write(f"#! SET min_{name} -pi\n#! SET max_{name} pi\n")
        file.write(f"#! SET nbins_{name} {POINTS}\n#! SET periodic_{name} true\n")
    np.savetxt(file, np.column_stack([x, y, free]), fmt="%.9f")
