"""Run in the environment of every channel: do the libraries of axpy find one another there?"""

import re
import subprocess
import sys
from array import array
from pathlib import Path

import axpy

PACKAGE = Path(axpy.__file__).resolve().parent
problems = []

for library in PACKAGE.glob("*.so"):
    told = subprocess.run(["readelf", "-dW", library], capture_output=True, text=True, check=True)
    for kind, path in re.findall(r"\((RPATH|RUNPATH)\).*\[(.*)\]", told.stdout):
        print(f"{library.name}: {kind} {path}")
        if kind == "RUNPATH":
            problems.append(f"{library.name} has a RUNPATH, which LD_LIBRARY_PATH overrides")
        if any(not entry.startswith("$ORIGIN") for entry in path.split(":")):
            problems.append(f"{library.name}: RPATH {path} is not relative")

mapped = {line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
ours = [path for path in mapped if re.search(r"/lib(axpy|gomp|cudart)[-.]", path)]
for path in sorted(ours):
    print("loaded", path)
    if not Path(path).is_relative_to(Path(sys.prefix).resolve()):
        problems.append(f"{path} was loaded, which is not in {sys.prefix}")

x, y = array("d", [1.0, 2.0]), array("d", [3.0, 4.0])
axpy.axpy(2.0, x, y)
if list(y) != [5.0, 8.0]:
    problems.append(f"2 x + y is {list(y)}, expected [5.0, 8.0]")
try:
    axpy.axpy(2.0, x, y, backend="cuda")
    print("CUDA: works")
except RuntimeError as error:
    print(f"CUDA: {error}")

print("\n".join(problems) or "no problems")
sys.exit(bool(problems))
