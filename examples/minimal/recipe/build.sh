#!/bin/bash
set -euo pipefail
# Else a toolkit of this machine might be found.
export NVCC=
if [[ $cuda_compiler_version != None ]]; then
    export NVCC=$BUILD_PREFIX/bin/nvcc
fi
# conda-build makes the same of the $PREFIX/lib in LDFLAGS. rattler-build makes $ORIGIN/../../lib of
# it, which leads nowhere once a package for every Python is installed.
export LDFLAGS="-Wl,-rpath,\$ORIGIN/../../.. $LDFLAGS"
rm -rf build
"$PYTHON" -m pip install . -vv --no-deps --no-build-isolation
