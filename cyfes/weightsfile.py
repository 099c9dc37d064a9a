"""Files of the weights of frames: text whose header PLUMED and cyfes read, or .npy."""

from dataclasses import dataclass
from os import PathLike, fspath

import numpy as np

from cyfes.gridfile import atomic_write
from cyfes.hillweights import HillBias
from cyfes.provenance import Provenance
from cyfes.tables import Bounds

#: Rows printed in one go.
CHUNK = 1 << 14

#: Begins the names of columns of ln w.
LOG_WEIGHT = "logw."


@dataclass(frozen=True, eq=False)
class WeightsTable:
    """One row per frame: time, CVs, the bias of hills and ln w.

    ``columns`` float64[n] by name: "time"; CVs; "hills.bias", V(s, t); "hills.rct", c(t);
    "hills.final", V(s, t_end); and LOG_WEIGHT + kind, ln w. ``bounds``: periods of CVs by name.
    """

    columns: dict[str, np.ndarray]
    bounds: dict[str, Bounds]

    @classmethod
    def of(cls, found: HillBias) -> "WeightsTable":
        """Return the table of the frames of a run, with ln w of all kinds that can be had."""
        samples, hills = found.samples, found.hills
        bounds = {
            **dict(zip(hills.names, hills.bounds)),
            **dict(zip(samples.names, samples.bounds)),
        }
        names = list(dict.fromkeys((*samples.names, *hills.names)))
        columns = {} if samples.times is None else {"time": samples.times}
        columns |= dict(zip(names, samples.columns_of(names).T))
        columns |= {
            "hills.bias": found.running,
            "hills.rct": found.offset,
            "hills.final": found.final,
        }
        columns |= {LOG_WEIGHT + kind: found.log_weights(kind) for kind in found.kinds()}
        return cls(columns, {name: bounds[name] for name in names})

    def write(self, path: str | PathLike[str], provenance: Provenance | None = None) -> None:
        """Write a structured array where ``path`` ends in .npy, else text; raises OutputError."""
        if fspath(path).lower().endswith(".npy"):
            self._write_npy(path)
        else:
            self._write_text(path, provenance)

    def _write_npy(self, path: str | PathLike[str]) -> None:
        names = list(self.columns)
        rows = np.empty(len(self.columns[names[0]]), [(name, np.float64) for name in names])
        for name, column in self.columns.items():
            rows[name] = column
        with atomic_write(path) as file:
            np.save(file, rows)

    def _write_text(self, path: str | PathLike[str], provenance: Provenance | None) -> None:
        columns = list(self.columns.values())
        row = " ".join(["%.10g"] * len(columns)) + "\n"
        with atomic_write(path) as file:
            file.write(self._head(provenance).encode())
            for start in range(0, len(columns[0]), CHUNK):
                part = (column[start : start + CHUNK].tolist() for column in columns)
                file.write("".join(row % values for values in zip(*part)).encode())

    def _head(self, provenance: Provenance | None) -> str:
        lines = [f"#! FIELDS {' '.join(self.columns)}\n"]
        for name, bounds in self.bounds.items():
            if bounds is not None:
                lines += [f"#! SET min_{name} {bounds[0]}\n", f"#! SET max_{name} {bounds[1]}\n"]
        return "".join(lines) + ("" if provenance is None else provenance.text())
