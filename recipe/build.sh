#!/bin/bash
set -euo pipefail

: "${cuda_compiler_version:?conda_build_config.yaml was not read: run conda build in the root of the repository, or add -m conda_build_config.yaml}"

export CYFES_CUDA=0
if [[ $cuda_compiler_version != None ]]; then
    # Else a toolkit of this machine might be found first.
    export CYFES_CUDA=1 NVCC=$BUILD_PREFIX/bin/nvcc
    if [[ ! -x $NVCC ]]; then
        echo "no nvcc at $NVCC: is compiler(\"cuda\") in the build requirements?" >&2
        exit 1
    fi
fi

# From site-packages/cyfes to the prefix's lib. conda-build makes the same of the path in the
# compilers' flags; rattler-build makes one of it that is wrong once installed.
# A build-id depends on the folder: without it, two builds are equal. Neither is for Macs.
if [[ ${target_platform:-linux-64} == linux-* ]]; then
    export LDFLAGS="-Wl,-rpath,\$ORIGIN/../../.. ${LDFLAGS:-} -Wl,--build-id=none"
fi

# What an earlier build left in the checkout was made by other compilers.
rm -rf build cyfes/_kernels.cpp
"$PYTHON" -m pip install . -vv --no-deps --no-build-isolation
# pip notes the folder of the build, which `pip freeze` would show.
rm "$SP_DIR"/cyfes-*.dist-info/direct_url.json
# Macs' sed has another option -i.
sed -i.bak '/direct_url\.json/d' "$SP_DIR"/cyfes-*.dist-info/RECORD
rm "$SP_DIR"/cyfes-*.dist-info/RECORD.bak
