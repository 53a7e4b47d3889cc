#!/usr/bin/env bash
# Packs what `worker.sh` needs on a machine that has a GPU and PyTorch, but neither Java nor Maven nor a network: a runtime made by
# jlink, the worker, DJL's bindings, a model. usage: pack.sh [MODEL.gguf]; writes target/gpu/worker
# Needs a JDK 25 or newer, which it looks for as ./worker does.
#
# DJL_SOURCE, a checkout of DJL at the version of the build: its binding goes in as source too, for a PyTorch other than the one that
# it is published for.
set -euo pipefail
cd "$(dirname "$0")/../../.."
model=${1:-}
# shellcheck source=src/test/gpu/packing.sh
. src/test/gpu/packing.sh
find_jdk
jdk=$java_home
to=target/gpu/worker
build_worker
rm -rf "$to"
mkdir -p "$to/native" "$to/jni"
# The modules of the image.
modules=$(sed -n 's/.*--add-modules \([^ ]*\).*/\1/p' Dockerfile)
"$jdk/bin/jlink" --add-modules "$modules" --strip-java-debug-attributes --no-header-files --no-man-pages --output "$to/jre"
# A runtime that does not start is found here, not on the other machine.
"$to/jre/bin/java" -version
contents_for src/test/gpu/pack.sh "$model" >"$to/packed.new"
cp target/worker.jar src/main/jvm/java.args docker/image.args "$to/"
cp -r target/lib "$to/lib"
cp -r routes "$to/routes"
cd "$to"
djl=$(basename lib/pytorch-engine-*.jar .jar)
djl=${djl#pytorch-engine-}
unpacked=$(mktemp -d)
for jar in lib/pytorch-jni-*.jar lib/tokenizers-*.jar lib/jna-*.jar; do
  python3 -I -m zipfile -e "$jar" "$unpacked"
done
mv "$unpacked/jnilib/linux-x86_64/cu128/libdjl_torch.so" "jni/$djl-libdjl_torch.so"
mv "$unpacked/native/lib/linux-x86_64/cpu/libtokenizers.so" "$unpacked/com/sun/jna/linux-x86-64/libjnidispatch.so" native/
rm -r "$unpacked" lib/pytorch-native-cpu-*.jar
if [[ -n ${DJL_SOURCE:-} ]]; then
  engine=$DJL_SOURCE/engines/pytorch
  mkdir jni/source
  cp "$engine"/pytorch-native/src/main/native/* "$DJL_SOURCE"/api/src/main/native/djl/utils.h "$jdk"/include/jni.h "$jdk"/include/linux/jni_md.h jni/source/
  mkdir jni/source/djl
  mv jni/source/utils.h jni/source/djl/
  "$jdk/bin/javac" -proc:none -cp "lib/*" -d "$(mktemp -d)" -h jni/source "$engine"/pytorch-engine/src/main/java/ai/djl/pytorch/jni/PyTorchLibrary.java
fi
[[ -z $model ]] || cp "$(cd - >/dev/null && readlink -f "$model")" model.gguf
# Only what was packed to the end is taken for packed.
mv packed.new packed
du -sh .
