package dev.llmworker.model;

import ai.djl.Device;
import dev.llmworker.model.MatrixForm.Capabilities;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.function.LongConsumer;

/// Fills the decoder program with a model: settles formats and context, then weights, then the KV cache.
record ModelLoader(StoredModel model, DecoderOptions options, Device device, Program program) {
    private static final long LONE_CACHE_BYTES = 128L << 20;
    /// Beyond, reading half the bytes outweighs what a bfloat16 product costs to start.
    private static final int MAX_LONE_LENGTH = 1024;

    DecoderDescription load(LongConsumer progress) throws IOException, InterruptedException {
        var shape = DecoderShape.of(model);
        var weights = weightPrecision();
        var cache = cachePrecision(weights);
        var capabilities = capabilities();
        var memoryBytes = Devices.memoryBytes(device);
        var loader = new WeightLoader(model, shape, program, weights, capabilities, memoryBytes, progress);
        var place = device.isGpu() ? "the free part of the GPU" : "this machine";
        var contextLength = new Memory(memoryBytes, loader.bytesNeeded(), place)
                .contextLength(shape, options.slots(), options.contextLength(), cache.bytes());
        configure(shape, weights, cache, contextLength);
        loader.load();
        program.run("build", shape.rotation().frequencies());
        checkPlacement();
        return new DecoderDescription(
                shape.name(),
                shape.architecture().ggufName(),
                shape.vocabulary(),
                contextLength,
                options.slots(),
                Devices.name(device),
                format(weights, capabilities),
                shape.cacheBytesPerToken(cache.bytes()) * options.slots() * contextLength);
    }

    private void configure(DecoderShape shape, Precision weights, Precision cache, int contextLength) {
        var sizes = new long[] {
            shape.layers(),
            shape.hidden(),
            shape.heads(),
            shape.kvHeads(),
            shape.headDim(),
            options.slots(),
            contextLength,
            loneLength(shape, cache, contextLength),
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
            return "as stored";
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
