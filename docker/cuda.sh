#!/usr/bin/env bash
# Lays out the shared objects of torch's and nvidia's wheels as pip would (their run paths point at each other), without
# what no decoder needs. usage: cuda.sh WHEELS TARGET
set -euo pipefail
wheels=$1 target=$2
scratch=$(mktemp -d)
for wheel in "$wheels"/*.whl; do
  python3 -I -m zipfile -e "$wheel" "$scratch"
done
mkdir -p "$target/torch/lib" "$target/nvidia"
mv "$scratch"/torch/lib/*.so* "$target/torch/lib/"
for package in "$scratch"/nvidia/*/; do
  name=$(basename "$package")
  if compgen -G "$package/lib/*.so*" >/dev/null; then
    mkdir -p "$target/nvidia/$name/lib"
    mv "$package"/lib/*.so* "$target/nvidia/$name/lib/"
  fi
done
# cuSPARSELt has a folder of its own.
if [[ -d $scratch/cusparselt ]]; then
  mkdir -p "$target/cusparselt"
  mv "$scratch/cusparselt/lib" "$target/cusparselt/lib"
fi
rm -r "$scratch"

cd "$target"
# Python's bindings, shared memory between processes, linear algebra beyond matmuls, tracing, attention of cuDNN's own.
rm -f torch/lib/libtorch_python.so torch/lib/libshm.so torch/lib/libtorch_cuda_linalg.so \
  torch/lib/libtorch_global_deps.so torch/lib/libc10d_cuda_test.so \
  nvidia/cublas/lib/libnvblas.so* nvidia/cufft/lib/libcufftw.so* \
  nvidia/cudnn/lib/libcudnn_adv.so* nvidia/cuda_cupti/lib/libnvperf_*.so* \
  nvidia/cuda_cupti/lib/libpcsamplingutil.so
# DJL loads every library of its folder at start, and this one needs the driver: torch finds it by its run path.
mv torch/lib/libcaffe2_nvrtc.so nvidia/cuda_nvrtc/lib/
# DJL counts GPUs by this name; the wheel has the one with the version only.
ln -s libcudart.so.12 nvidia/cuda_runtime/lib/libcudart.so
# Unpacked by Python's zipfile, which forgets modes.
find . -type d -exec chmod 755 {} + -o -type f -exec chmod 644 {} +
