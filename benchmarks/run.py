"""Benchmarks of cyfes and its peers; ``make bench`` runs them all.

Every workload runs cyfes, its peers and the probes of the machine in turns, in this process (other
programs apart). Printed are the medians, the errors, and what the targets ask for.
"""

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))

from benchmarks import counts, document, scaling, table
from benchmarks.document import Report
from benchmarks.peers import version
from benchmarks.peers.programs import plumed_version
from benchmarks.workload import measure
from benchmarks.workloads import WORKLOADS
from cyfes import _kernels

PEERS = (
    "numpy",
    "scipy",
    "scikit-learn",
    "KDEpy",
    "finufft",
    "numba",
    "pandas",
    "polars",
    "pymbar",
)


def machine() -> str:
    """Processor, cores, instruction set, day and load."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [x for x in info.read_text().splitlines() if x.startswith("model name")]
        model = lines[0].partition(": ")[2] if lines else model
    return (
        f"{model}, {os.cpu_count()} cores, {_kernels.selected_isa()}, {time.strftime('%Y-%m-%d')}, "
        f"load {os.getloadavg()[0]:.1f}"
    )


def peers() -> str:
    """The versions of the peers."""
    return ", ".join([f"{name} {version(name)}" for name in PEERS] + [f"PLUMED {plumed_version()}"])


def run(name: str, rounds: int) -> Report:
    """Measure a workload and print its table. Raises LookupError if there is no data for it."""
    workload = WORKLOADS[name]()
    try:
        measured = measure(workload, rounds)
    finally:
        if workload.folder is not None:
            workload.folder.cleanup()
    remarks = [*workload.missing, *(f"{key} FAILED: {e}" for key, e in measured.failures.items())]
    if measured.shared:
        remarks.append(f"{measured.shared} calls of several threads shared cores with others")
    report = Report(
        workload.title,
        table.rows(measured),
        [table.target_row(measured, target) for target in workload.targets],
        tuple(remarks),
        {"workload": name, "title": workload.title, **table.figures(measured)},
    )
    print(f"\n[{name}] {report.title}\n{table.text(table.COLUMNS, report.rows)}")
    for remark in report.remarks:
        print(f"remark: {remark}", flush=True)
    return report


def main() -> int:
    """Run what the arguments name; print and write the tables."""
    arguments = _arguments()
    print(machine(), peers(), sep="\n")
    if not counts.table():
        print("operations of these kernels are not counted: make bench-instructions ARGS=--update")
    if arguments.names == ["scaling"]:
        return scaling.main(arguments.rounds, arguments.most, machine(), arguments.docs)
    reports = []
    for name in arguments.names or list(WORKLOADS):
        try:
            reports.append(run(name, arguments.rounds))
        except LookupError as error:
            print(f"\n[{name}] left out: {error}")
    earlier = json.loads(Path(arguments.earlier).read_text()) if arguments.earlier else []
    targets = document.targets_of(reports, earlier)
    print("\n" + table.text(table.TARGET_COLUMNS, targets))
    if arguments.json:
        figures = [{**report.figures, "targets": report.targets} for report in reports]
        Path(arguments.json).write_text(json.dumps(figures, indent=1) + "\n")
    if arguments.docs:
        text = document.render(f"{machine()}\n\n{peers()}", reports, targets)
        document.insert("benchmarks", text)
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="WORKLOAD", help=f"scaling, or of {' '.join(WORKLOADS)}"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count (default 5)")
    parser.add_argument("--json", metavar="FILE", help="also write all figures")
    parser.add_argument("--earlier", metavar="FILE", help="also show what that --json reached")
    parser.add_argument("--docs", action="store_true", help="put the tables into the documentation")
    parser.add_argument(
        "--most", type=int, default=10**8, help="scaling: most samples (default 1e8)"
    )
    arguments = parser.parse_args()
    if arguments.names == ["scaling"]:
        return arguments
    if unknown := set(arguments.names) - set(WORKLOADS):
        parser.error(f"no workload {', '.join(unknown)}; there are {', '.join(WORKLOADS)}")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
