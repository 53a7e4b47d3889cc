#!/usr/bin/env bash
# Packs what worker.sh needs into target/trial/worker.tar.xz, small enough to be carried (64 MiB with the working tree): a
# runtime of few modules, jars without other systems' natives, and DJL's binding. The model is made there (make_model.py).
# Needs a JDK 25 or newer, which it looks for as ./worker does.
# Without DJL_SOURCE the binding is DJL's own, for PyTorch 2.7.1. With it, it is built here for the PyTorch of the trial machine:
#   DJL_SOURCE    a checkout of DJL at the pom's djl.version
#   TORCH_FOLDER  the folder torch/ of the unpacked wheel that the trial machine has, or of one for CPUs of the same version
#   TORCH_VERSION its version: 2.11.0
set -euo pipefail
cd "$(dirname "$0")/../../../.."
# shellcheck source=src/test/gpu/packing.sh
. src/test/gpu/packing.sh
find_jdk
jdk=$java_home
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p target/trial
rm -f target/trial/packed target/trial/worker.tar.xz
to=$work/worker
mkdir -p "$to/native" "$to/jni"

# DJL's binding for another PyTorch than the one that it is published for.
build_binding() {
  local engine=$DJL_SOURCE/engines/pytorch
  mkdir -p "$work/objects" "$work/headers/djl"
  cp "$DJL_SOURCE"/api/src/main/native/djl/utils.h "$work/headers/djl/"
  "$jdk/bin/javac" -proc:none -cp "target/lib/*" -d "$work/classes" -h "$work/headers" \
    "$engine"/pytorch-engine/src/main/java/ai/djl/pytorch/jni/PyTorchLibrary.java
  # shellcheck disable=SC2016 # The inner shell expands it.
  printf '%s\0' "$engine"/pytorch-native/src/main/native/*.cc | xargs -0 -P "$(nproc)" -I{} bash -c \
    'g++ -std=c++17 -O2 -fPIC -w -D_GLIBCXX_USE_CXX11_ABI=1 -I"$1" -I"$2/include" -I"$2/include/linux" -I"$3/include" -I"$3/include/torch/csrc/api/include" -c "$0" -o "$4/$(basename "$0" .cc).o"' \
    {} "$work/headers" "$jdk" "$TORCH_FOLDER" "$work/objects"
  # shellcheck disable=SC2016 # The loader expands it.
  g++ -shared -o "$1" "$work"/objects/*.o "-L$TORCH_FOLDER/lib" -Wl,--unresolved-symbols=ignore-all -ltorch -ltorch_cpu -lc10 \
    '-Wl,-rpath,$ORIGIN'
}

build_worker
modules=java.base,java.compiler,java.desktop,java.instrument,java.logging,java.management,java.naming,java.net.http,java.prefs,java.rmi,java.scripting,java.security.jgss,java.sql,java.transaction.xa,java.xml,jdk.crypto.ec,jdk.jfr,jdk.management,jdk.naming.dns,jdk.net,jdk.unsupported,jdk.zipfs
"$jdk/bin/jlink" --add-modules "$modules" --strip-debug --no-header-files --no-man-pages --output "$to/jre"
cp target/worker.jar src/main/jvm/java.args docker/image.args "$to/"
cp -r target/lib "$to/lib"
cp -r routes "$to/routes"
djl=$(basename "$to"/lib/pytorch-engine-*.jar .jar)
djl=${djl#pytorch-engine-}
python3 -I -m zipfile -e "$to"/lib/tokenizers-*.jar "$work/tokenizers"
python3 -I -m zipfile -e "$to"/lib/jna-*.jar "$work/jna"
mv "$work/tokenizers/native/lib/linux-x86_64/cpu/libtokenizers.so" "$work/jna/com/sun/jna/linux-x86-64/libjnidispatch.so" "$to/native/"
rm -r "$work"/tokenizers/native/lib/*-x86_64 "$work"/tokenizers/native/lib/*-aarch64
rm "$to"/lib/tokenizers-*.jar "$to"/lib/pytorch-native-cpu-*.jar "$to"/lib/pytorch-jni-*.jar
(cd "$work/tokenizers" && "$jdk/bin/jar" cfM "$to/lib/tokenizers.jar" .)
# The manifest of worker.jar names its libraries: the tokenizers' jar keeps its name.
mv "$to/lib/tokenizers.jar" "$to/lib/$(basename target/lib/tokenizers-*.jar)"
published=$(basename target/lib/pytorch-jni-*.jar .jar)
version=${published#pytorch-jni-}
version=${version%%-*}
if [[ -n ${DJL_SOURCE:-} ]]; then
  build_binding "$to/jni/$djl-libdjl_torch.so"
  version=${TORCH_VERSION:?}
else
  python3 -I -m zipfile -e "target/lib/$published.jar" "$work/jni"
  mv "$work/jni/jnilib/linux-x86_64/cu128/libdjl_torch.so" "$to/jni/$djl-libdjl_torch.so"
fi
strip "$to/jni/$djl-libdjl_torch.so" "$to/native/libtokenizers.so"
# worker.sh then takes the binding as it is.
echo "$version" >"$to/jni/version"
contents_for src/test/gpu/trial/pack.sh >"$to/packed"
tar -C "$work" -cJf target/trial/worker.tar.xz worker
"$jdk/bin/javac" -d target/trial src/test/gpu/trial/GpuProbe.java
cp "$to/packed" target/trial/
du -sh target/trial
