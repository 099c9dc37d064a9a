"""The works that are measured, by name; each is built when its turn comes."""

from collections.abc import Callable

from benchmarks.workload import Workload
from benchmarks.workloads import blocks, files, hills, kde, landscape, points, startup, umbrella

#: A row or more of the target table each, in its order.
WORKLOADS: dict[str, Callable[[], Workload]] = {
    "kde-1d": lambda: kde.sums(1, 10_000_000, 500),
    "kde-2d": lambda: kde.sums(2, 1_000_000, 200),
    "kde-2d-1e7": lambda: kde.sums(2, 10_000_000, 200),
    "kde-3d": lambda: kde.sums(3, 1_000_000, 100),
    "tiles": kde.tiles,
    "bits": kde.bits,
    "points-near": lambda: points.direct(2, near=True),
    "points-2d": lambda: points.direct(2),
    "points-3d": lambda: points.direct(3),
    "blocks": blocks.blocks,
    "bootstrap": blocks.bootstrap,
    "umbrella": lambda: umbrella.mbar(100_000, 50, with_peers=True),
    "umbrella-1e6": lambda: umbrella.mbar(1_000_000, 100, with_peers=False),
    "hills-2d": lambda: hills.generated(2, 50_000, 200),
    "hills-3d": lambda: hills.generated(3, 20_000, 60),
    "hills-2d-real": lambda: hills.real(2, 256),
    "hills-3d-real": lambda: hills.real(3, 60),
    "basins-2d": lambda: landscape.basins(2, 1000),
    "basins-2d-noise": lambda: landscape.basins(2, 1000, noise=1.0),
    "basins-3d": lambda: landscape.basins(3, 100),
    "reweight": files.reweight,
    "parse": files.parse,
    "write": files.write,
    "memory": files.memory,
    "import": startup.imports,
}
