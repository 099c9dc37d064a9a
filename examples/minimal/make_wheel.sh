#!/bin/sh
# The wheel, in dist/: libgomp is copied in, the CUDA runtime is left to the package that is required.
# Needs auditwheel and patchelf.
set -eu
cd "$(dirname "$0")"
rm -rf build dist
python -m pip wheel --no-deps --wheel-dir dist/raw .
auditwheel repair --wheel-dir dist --exclude 'libcudart.so.*' --exclude 'libcuda.so.*' dist/raw/*.whl
