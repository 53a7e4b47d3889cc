package dev.llmworker.model;

import ai.djl.Device;
import dev.llmworker.model.MatrixForm.Capabilities;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Fills the decoder program with a model: settles formats and context, then weights, then the KV cache.
record ModelLoader(StoredModel model, DecoderOptions options, Device device, Program program) {
    private static final Logger LOG = LoggerFactory.getLogger(ModelLoader.class);
    private static final long LONE_CACHE_BYTES = 128L << 20;
    /// Beyond, reading half the bytes outweighs what a bfloat16 product costs to start.
    private static final int MAX_LONE_LENGTH = 1024;
    /// Java's heap, the tokenizer and what a step computes.
    private static final long CPU_WORKING_BYTES = 256L << 20;
    /// What a step's temporaries, cuBLAS and kernels that are loaded late take.
    private static final long GPU_WORKING_BYTES = 1L << 30;
    /// A machine has other things to do; a GPU is there for this.
    private static final double CPU_CACHE_SHARE = 0.5;

    private static final double GPU_CACHE_SHARE = 0.9;
    /// The program for GPUs has a position that nobody reads, and whole pieces of 64.
    private static final int DENSE_SPARE_TOKENS = 64;

    DecoderDescription load(LongConsumer progress) throws IOException, InterruptedException {
        var shape = DecoderShape.of(model);
        var weights = weightPrecision();
        var cache = cachePrecision(weights);
        var capabilities = capabilities();
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, shape, program, weights, capabilities, memory.total(), progress);
        var plan = plan(shape, memory, loader, cache);
        LOG.info("{}", plan);
        configure(shape, weights, cache, plan);
        loader.load();
        program.run("build", shape.rotation().frequencies());
        checkPlacement();
        return new DecoderDescription(
                shape.name(),
                shape.architecture().ggufName(),
                shape.vocabulary(),
                plan.contextLength(),
                plan.slots(),
                Devices.name(device),
                format(weights, capabilities),
                plan.cache(),
                shape.cacheBytesPerToken(cache.bytes()));
    }

    /// What [#load] would do, without doing it: the tensors are all looked at.
    ModelSummary check() throws IOException {
        var shape = DecoderShape.of(model);
        var weights = weightPrecision();
        var cache = cachePrecision(weights);
        var capabilities = capabilities();
        TensorCheck.allKnown(model, shape);
        TensorCheck.allThere(model, shape);
        for (var tensor : model.tensors().values()) {
            tensor.checkFinite();
        }
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, shape, program, weights, capabilities, memory.total(), _ -> {});
        return ModelSummary.of(
                model, shape, Devices.name(device), format(weights, capabilities), plan(shape, memory, loader, cache));
    }

    private MemoryPlan plan(DecoderShape shape, DeviceMemory memory, WeightLoader loader, Precision cache)
            throws IOException {
        // A tensor is unpacked to float32 on its way.
        var largest = model.tensors().values().stream()
                .mapToLong(Tensor::elements)
                .max()
                .orElse(0);
        var working = largest * Precision.FP32.bytes()
                + (device.isGpu() ? GPU_WORKING_BYTES : CPU_WORKING_BYTES)
                + loneLength(shape, cache, MAX_LONE_LENGTH) * shape.cacheBytesPerToken(Precision.FP32.bytes());
        var share = device.isGpu() ? GPU_CACHE_SHARE : CPU_CACHE_SHARE;
        var spare = program.isDense() ? DENSE_SPARE_TOKENS : 0;
        var needs = new MemoryPlan.Needs(shape, cache.bytes(), loader.bytesNeeded(), working, spare, share);
        return MemoryPlan.of(memory, needs, options.slots(), options.contextLength());
    }

    private void configure(DecoderShape shape, Precision weights, Precision cache, MemoryPlan plan) {
        var sizes = new long[] {
            shape.layers(),
            shape.hidden(),
            shape.heads(),
            shape.kvHeads(),
            shape.headDim(),
            plan.slots(),
            plan.contextLength(),
            loneLength(shape, cache, plan.contextLength()),
            shape.feedForward()
        };
        var compute = weights == Precision.AUTO ? Precision.FP32 : weights;
        program.run(
                "configure",
                sizes,
                (double) shape.epsilon(),
                compute.inLowerCase(),
                cache.inLowerCase(),
                Devices.name(device),
                options.deterministic());
    }

    /// The positions of the float32 copy of slot 0 that makes steps of one row faster; 0 is none.
    private int loneLength(DecoderShape shape, Precision cache, int contextLength) {
        if (program.isDense() || program.isNative() || cache == Precision.FP32 || options.deterministic()) {
            return 0;
        }
        var affordable = LONE_CACHE_BYTES / shape.cacheBytesPerToken(Precision.FP32.bytes());
        return (int) Math.min(affordable, Math.min(contextLength, MAX_LONE_LENGTH));
    }

    private Capabilities capabilities() {
        if (program.isDense() || program.isNative()) {
            return new Capabilities(false, false, program.isNative());
        }
        return new Capabilities(program.test("packing_available"), program.test("int4_available"), false);
    }

    /// A GPU that is asked for and a model on the CPU would look alike, but for the speed.
    private void checkPlacement() {
        if (program.isDense() && !program.text("placement").equals(Devices.name(device))) {
            throw new IllegalStateException(
                    "libtorch put the model on " + program.text("placement") + " and not on " + Devices.name(device));
        }
    }

    private Precision weightPrecision() {
        if (program.isDense()) {
            return options.weights() == Precision.AUTO ? Devices.fastest(device) : options.weights();
        }
        if (options.weights() == Precision.FP16) {
            throw new IllegalArgumentException("weights in fp16 need a GPU; on a CPU they can be auto, bf16 or fp32");
        }
        return options.weights();
    }

    private Precision cachePrecision(Precision weights) {
        if (options.cache() != Precision.AUTO) {
            return options.cache();
        }
        if (program.isNative()) {
            return Precision.FP16;
        }
        return weights == Precision.AUTO ? Precision.BF16 : weights;
    }

    private String format(Precision weights, Capabilities capabilities) {
        var bytes = new EnumMap<TensorType, Long>(TensorType.class);
        for (var tensor : model.tensors().values()) {
            bytes.merge(tensor.type(), tensor.data().byteSize(), Long::sum);
        }
        var most = bytes.keySet().stream().max(Comparator.comparing(bytes::get)).orElseThrow();
        return switch (weights) {
            case AUTO -> format(most, capabilities) + " (" + most + ")";
            case FP32, BF16, FP16 -> weights.inLowerCase() + " (" + most + ")";
        };
    }

    private static String format(TensorType type, Capabilities capabilities) {
        if (capabilities.asStored()) {
            return "native";
        }
        var unquantised = capabilities.packed() ? "bf16" : "fp32";
        return switch (type) {
            case Q4_0, Q4_1, Q4_K -> capabilities.int4() ? "int4" : unquantised;
            case Q5_0, Q5_1, Q5_K -> capabilities.int4() ? "int5" : unquantised;
            case Q8_0 -> capabilities.int4() ? "int8" : unquantised;
            case Q6_K, F16, BF16, F32 -> unquantised;
        };
    }
}
