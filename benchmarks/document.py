"""The measured tables as Markdown, put into docs/performance.md between their marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import counts, table

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "performance.md"


@dataclass(frozen=True)
class Report:
    """What is left of a measured workload: rows of its table and of the targets, and figures."""

    title: str
    rows: list[list[str]]
    targets: list[list[str]]
    remarks: tuple[str, ...]
    figures: dict[str, Any]


def targets_of(reports: Sequence[Report], earlier: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Rows of all targets, in the order of table.TARGET_COLUMNS; a target that ``earlier`` runs
    measured, too, shows what they reached before what was reached now, and is met by all or not.
    """
    before = {tuple(row[:3]): row for run in earlier for row in run["targets"]}
    rows = []
    for row in (row for report in reports for row in report.targets):
        *target, reached, met = row
        if old := before.get(tuple(target)):
            reached = f"{old[3]}, {reached}"
            met = met if met == old[4] else "not always"
        rows.append([*target, reached, met])
    return rows


def render(machine: str, reports: Sequence[Report], targets: list[list[str]]) -> str:
    """All tables in Markdown."""
    parts = [machine, table.markdown(table.TARGET_COLUMNS, targets)]
    for report in reports:
        rows = [
            [cell for i, cell in enumerate(row) if i not in _empty(report)] for row in report.rows
        ]
        columns = [name for i, name in enumerate(table.COLUMNS) if i not in _empty(report)]
        parts.append(f"### {report.title}\n\n{table.markdown(columns, rows)}")
        parts += [f"Remark: {remark}" for remark in report.remarks]
    if counts.table():
        parts.append(
            f"### Instructions and operations, x86-64-v3, {counts.compiler()}\n\n{_counts()}"
        )
    return "\n\n".join(parts) + "\n"


def _empty(report: Report) -> set[int]:
    """Columns in which no row has anything."""
    return {
        i for i in range(len(table.COLUMNS)) if all(row[i] == table.NOTHING for row in report.rows)
    }


def _counts() -> str:
    found = counts.table()
    rows = [
        [case, unit, f"{value:g}", f"{found['flop'][case][unit]:g}"]
        for case, units in found["instructions"].items()
        for unit, value in units.items()
    ]
    return table.markdown(("case", "unit", "instructions", "operations (FLOP)"), rows)


def insert(mark: str, text: str, path: Path = DOCUMENT) -> None:
    """Replace what stands between ``<!-- begin MARK -->`` and ``<!-- end MARK -->`` in a file.

    Raises ValueError if the file has no such marks.
    """
    begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
    head, found, rest = path.read_text().partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path}: no {begin} ... {end}")
    path.write_text(f"{head}{begin}\n\n{text.strip()}\n\n{end}{tail}")
