"""A small OPES_METAD, and its EXPLORE, of a Monte Carlo walker: makes the files beside it.

python run.py [FOLDER]: STATE, KERNELS, COLVAR and explore.STATE, explore.KERNELS, explore.COLVAR.
It shares no line with cyfes. The free energy of phi is U, in kJ/mol, at 300 K.
"""

import gzip
import sys
from pathlib import Path

import numpy as np

KBT = 300 * 0.00831446261815324
BARRIER = 30.0
SIGMA = 0.25
THRESHOLD = 1.0
PACE = 10
N_KERNELS = 1000
PER_STATE = {False: 10, True: 50}  # of OPES_METAD, and of its EXPLORE
SET = "#! SET {:<12} {:>22}\n"


def potential(phi):
    """U(phi): wells near -pi/2 and pi/2, 4 kJ/mol apart, 20 kJ/mol and more below the barriers."""
    return 12 * (1 + np.cos(2 * phi)) + 2 * np.sin(phi)


def nearest(way):
    return way - 2 * np.pi * np.rint(way / (2 * np.pi))


class Opes:
    """Kernels [center, sigma, height], merged as Invernizzi and Parrinello (2020) say."""

    def __init__(self, explore):
        self.explore = explore
        self.gamma = BARRIER / KBT
        self.prefactor = self.gamma - 1 if explore else 1 - 1 / self.gamma
        self.epsilon = np.exp(-BARRIER / self.prefactor / KBT)
        self.cutoff = np.sqrt(2 * BARRIER / KBT / (1 if explore else self.prefactor))
        self.sum_weights = self.epsilon**self.prefactor
        self.sum_weights2 = self.sum_weights**2
        self.counter, self.zed = 1, 1.0
        self.kernels = np.empty((0, 3))

    @property
    def norm(self):
        return self.counter if self.explore else self.sum_weights

    def probability(self, phi):
        center, sigma, height = self.kernels.T
        d = (nearest(phi - center) / sigma) ** 2
        inside = d < self.cutoff**2
        values = height * (np.exp(-0.5 * d) - np.exp(-0.5 * self.cutoff**2))
        return np.sum(np.where(inside, values, 0.0)) / self.norm

    def bias(self, phi):
        ratio = self.probability(phi) / self.zed + self.epsilon
        return KBT * self.prefactor * np.log(ratio)

    def deposit(self, phi):
        """Add a kernel; return [center, sigma, height, ln of its weight]."""
        log_weight = self.bias(phi) / KBT
        self.counter += 1
        self.sum_weights += np.exp(log_weight)
        self.sum_weights2 += np.exp(2 * log_weight)
        neff = (1 + self.sum_weights) ** 2 / (1 + self.sum_weights2)
        size = self.counter if self.explore else neff
        sigma = SIGMA * (size * 3 / 4) ** -0.2
        height = (1.0 if self.explore else np.exp(log_weight)) * SIGMA / sigma
        self.add(np.array([phi, sigma, height]))
        self.zed = np.mean([self.probability(center) for center in self.kernels[:, 0]])
        return phi, sigma, height, log_weight

    def add(self, kernel):
        while len(self.kernels):
            d = np.abs(nearest(self.kernels[:, 0] - kernel[0])) / self.kernels[:, 1]
            at = int(np.argmin(d))
            if d[at] >= THRESHOLD:
                break
            kernel = merged(self.kernels[at], kernel)
            self.kernels = np.delete(self.kernels, at, axis=0)
        self.kernels = np.vstack([self.kernels, kernel])


def merged(one, other):
    """The kernel with the first three moments of two."""
    height = one[2] + other[2]
    first = other[0] + nearest(one[0] - other[0])
    mean = (one[2] * first + other[2] * other[0]) / height
    square = (
        one[2] * (one[1] ** 2 + first**2) + other[2] * (other[1] ** 2 + other[0] ** 2)
    ) / height
    return np.array([nearest(mean), np.sqrt(square - mean**2), height])


def header(opes, fields, action, more):
    constants = {
        "action": action,
        "biasfactor": f"{opes.gamma:.16g}",
        "epsilon": f"{opes.epsilon:.16g}",
        "kernel_cutoff": f"{opes.cutoff:.16g}",
        "compression_threshold": f"{THRESHOLD:g}",
        **{name: f"{value:.16g}" for name, value in more.items()},
        "min_phi": "-pi",
        "max_phi": "pi",
    }
    lines = [SET.format(name, value) for name, value in constants.items()]
    return f"#! FIELDS {fields}\n" + "".join(lines)


def state_text(opes, time, name):
    names = ("zed", "sum_weights", "sum_weights2", "counter")
    more = {name: getattr(opes, name) for name in names}
    rows = "".join(f" {time:g} {c:.16g} {s:.16g} {h:.16g}\n" for c, s, h in opes.kernels)
    return header(opes, "time phi sigma_phi height", f"{name}_state", more) + rows


def run(explore, seed):
    """The texts of (STATE, KERNELS, COLVAR)."""
    rng = np.random.default_rng(seed)
    opes = Opes(explore)
    name = "OPES_METAD_EXPLORE" if explore else "OPES_METAD"
    fields = "time phi sigma_phi height logweight"
    state, kernels = "", header(opes, fields, f"{name}_kernels", {})
    colvar = "#! FIELDS time phi opes.bias opes.zed\n#! SET min_phi -pi\n#! SET max_phi pi\n"
    phi = -np.pi / 2
    energy = potential(phi) + opes.bias(phi)
    for time in range(1, N_KERNELS + 1):
        for _ in range(PACE):
            trial = nearest(phi + rng.normal(0, 0.35))
            above = potential(trial) + opes.bias(trial)
            if rng.random() < np.exp(min(0.0, (energy - above) / KBT)):
                phi, energy = trial, above
        colvar += f" {time} {phi:.6f} {opes.bias(phi):.6f} {opes.zed:.6g}\n"
        row = opes.deposit(phi)
        energy = potential(phi) + opes.bias(phi)
        kernels += " ".join([f" {time}", *(f"{x:.16g}" for x in row)]) + "\n"
        if time % PER_STATE[explore] == 0:
            state += state_text(opes, time, name)
    return state, kernels, colvar


def main(folder):
    for explore, prefix, seed in ((False, "", 1), (True, "explore.", 2)):
        for name, text in zip(("STATE", "KERNELS", "COLVAR"), run(explore, seed)):
            path = folder / f"{prefix}{name}.gz"
            path.write_bytes(gzip.compress(text.encode(), mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
