"""What errors of a surface rest on: which blocks, whether these are long and many enough."""

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cyfes.blocks import BlockSums, t_quantile
from cyfes.correlation import FEWEST, Correlation
from cyfes.errors import InputError

#: Fewest blocks where there can be no good number of them.
LAST_RESORT = 8

#: With the weight in fewer blocks, or a point made of fewer, an error is a lower bound.
FEW_BLOCKS = 4.0


@dataclass(frozen=True)
class ErrorRequest:
    """How errors are wanted: number of ``blocks`` (None: the program's choice), and of bootstrap
    replicas that they are taken from (0: from the spread of the blocks)."""

    blocks: int | None = None
    bootstrap: int = 0

    def __post_init__(self) -> None:
        if self.blocks is not None and (self.blocks < 2 or self.blocks != int(self.blocks)):
            raise InputError(f"errors need at least 2 blocks, a whole number, got {self.blocks}")
        if self.bootstrap < 0 or self.bootstrap == 1:
            raise InputError(f"a bootstrap needs at least 2 replicas, got {self.bootstrap}")


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The blocks that errors are taken from, and how long the frames remember.

    ``problem`` says why errors are lower bounds, or is empty; ``note`` is a remark.
    """

    blocks: BlockSums
    correlation: Correlation
    problem: str = ""
    note: str = ""
    request: ErrorRequest = field(default_factory=ErrorRequest)

    @classmethod
    def of(
        cls, blocks: BlockSums, correlation: Correlation, request: ErrorRequest, note: str = ""
    ) -> "Uncertainty":
        """Return the uncertainty told by blocks, with what is wrong with it.

        Raises InputError for a single block, which tells no error.
        """
        if len(blocks) < 2:
            raise InputError(f"an error needs at least 2 frames, got {blocks.counts.sum()}")
        return cls(blocks, correlation, problem_of(blocks, correlation), note, request)

    def relative_error(self) -> np.ndarray:
        """Return the standard error of ln P, which is that of F / kBT.

        That of the blocks (see BlockSums) or of their replicas, and what neighbours share.
        """
        replicas = self.request.bootstrap
        blocks = self.blocks
        error = blocks.bootstrap_error(replicas) if replicas else blocks.relative_error()
        return error * inflation(blocks.length, self.correlation.time)

    def error_of(self, influences: np.ndarray) -> Any:
        """Return the standard error of what each block changes by ``influences``, float64[B, ...]
        (see BlockSums.spread), and what neighbours share."""
        return self.blocks.spread(influences) * inflation(self.blocks.length, self.correlation.time)

    def summed(self, axes: tuple[int, ...], order: np.ndarray) -> "Uncertainty":
        """Return that of P summed over some ``axes`` of the grid, the others in a new ``order``."""
        values = self.blocks.values.sum(axis=tuple(1 + axis for axis in axes))
        values = np.ascontiguousarray(np.transpose(values, (0, *(1 + order))))
        return replace(self, blocks=replace(self.blocks, values=values))

    def relative_error_from(self, at: tuple[int, ...]) -> np.ndarray:
        """Return the standard error of ln(P / P at a point), that of F's difference / kBT."""
        return self.blocks.relative_error(at) * inflation(self.blocks.length, self.correlation.time)

    def quantile(self, level: float) -> float:
        """Return how many standard errors an interval of a level has on each side (Student's t)."""
        return t_quantile(level, max(1.0, self.blocks.effective_number - 1))

    def lines(self) -> list[tuple[str, object]]:
        """Return report lines."""
        blocks = self.blocks
        lines: list[tuple[str, object]] = [
            ("blocks", f"{len(blocks)} of {blocks.length:.4g} frames"),
            ("correlation time", f"{self.correlation.time:.3g} frames"),
            ("95 % interval", f"+- {self.quantile(0.95):.2f} errors"),
        ]
        sums = blocks.values.any(axis=0)
        few = int(np.count_nonzero(sums & (blocks.contributing() < FEW_BLOCKS)))
        if few:
            lines.append(
                ("error too small", f"perhaps, at {few} points that fewer than 4 blocks reach")
            )
        return lines


def inflation(length: float, time: float) -> float:
    """Return 1 / sqrt(1 - tau / (2 L)): the errors of blocks of L frames are too small by it.

    Blocks of frames with the correlation time tau, which decays exponentially, share so much of
    their variance with their neighbours. At most sqrt(2).
    """
    shared = min(0.5, time / (2 * length)) if time > 0 else 0.0
    return 1 / math.sqrt(1 - shared)


def joined_blocks(n: int, length: float, correlation: Correlation) -> int:
    """Return how many of ``n`` blocks of ``length`` frames to join, a power of two."""
    fewest = LAST_RESORT if correlation.problem else FEWEST
    factor = 1
    while length * factor < 0.95 * correlation.least and n // (2 * factor) >= fewest:
        factor *= 2
    return factor


def problem_of(blocks: BlockSums, correlation: Correlation) -> str:
    """Return why errors from these blocks are lower bounds, empty if they are not."""
    if blocks.length < correlation.time:
        return (
            f"blocks of {blocks.length:.4g} frames are shorter than the correlation time of "
            f"{correlation.time:.3g} frames"
        )
    if correlation.problem:
        return correlation.problem
    if blocks.effective_number < FEW_BLOCKS:
        return f"{blocks.effective_number:.1f} of {len(blocks)} blocks carry all the weight"
    if len(blocks) < LAST_RESORT:
        return f"there are only {len(blocks)} blocks"
    return ""
