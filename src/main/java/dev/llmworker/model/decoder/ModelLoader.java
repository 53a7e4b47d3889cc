package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.DeviceMemory;
import dev.llmworker.model.Devices;
import dev.llmworker.model.FeedForward.Experts;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.LayerTensors;
import dev.llmworker.model.MemoryPlan;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Objects;
import java.util.function.LongConsumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Fills a decoder program with a model. It decides the formats and the context, and then loads the weights.
record ModelLoader(
        StoredModel model, ModelConfig described, DecoderOptions options, Device device, DecoderProgram program) {
    private static final Logger LOG = LoggerFactory.getLogger(ModelLoader.class);
    /// Java's heap, the tokenizer and what a step computes.
    private static final long CPU_WORKING_BYTES = 256L << 20;
    /// A step's temporaries, cuBLAS, and kernels that are loaded late.
    private static final long GPU_WORKING_BYTES = 1L << 30;
    /// A machine runs other programs too; a GPU only runs this one.
    private static final double CPU_CACHE_SHARE = 0.5;

    private static final double GPU_CACHE_SHARE = 0.9;

    /// @param states as [ModelConfig#states]
    record Loaded(DecoderDescription description, List<LayerState> states) {}

    Loaded load(LongConsumer progress) throws IOException, InterruptedException {
        var weights = program.weights(options, device);
        var cache = cachePrecision(weights);
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, described, program, weights, memory.total(), progress);
        var plan = plan(memory, loader, cache);
        LOG.info("{}", plan);
        // Some models turn positions otherwise in longer contexts.
        var config = described.forContext(plan.contextLength());
        program.configure(
                config,
                plan.slots(),
                plan.contextLength(),
                weights == Precision.AUTO ? Precision.FP32 : weights,
                cache,
                Devices.name(device),
                options.deterministic());
        loader.load();
        program.build();
        program.loaded(model, device, options.deterministic());
        var description = new DecoderDescription(
                config.name(),
                config.architecture(),
                config.vocabulary(),
                plan.contextLength(),
                plan.slots(),
                Devices.name(device),
                format(weights),
                plan.cache(),
                plan.byKind(config, cache.bytes()),
                config.cacheBytesPerToken(plan.contextLength(), cache.bytes()));
        return new Loaded(description, config.states(plan.contextLength()));
    }

    /// Checks everything that [#load] needs, and reads each tensor, but loads nothing.
    ModelSummary check() throws IOException {
        var weights = program.weights(options, device);
        var cache = cachePrecision(weights);
        TensorCheck.allKnown(model, described);
        TensorCheck.allThere(model, described);
        for (var tensor : model.tensors().values()) {
            tensor.checkFinite();
        }
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, described, program, weights, memory.total(), _ -> {});
        return ModelSummary.of(
                model,
                described,
                Devices.name(device),
                format(weights),
                loader.stepBytes(),
                plan(memory, loader, cache));
    }

    private MemoryPlan plan(DeviceMemory memory, WeightLoader loader, Precision cache) throws IOException {
        var config = described;
        var largest = model.tensors().entrySet().stream()
                .mapToLong(entry -> loadingBytes(entry.getKey(), entry.getValue(), config))
                .max()
                .orElse(0);
        var working = largest
                + (device.isGpu() ? GPU_WORKING_BYTES : CPU_WORKING_BYTES)
                + stepBytes(config)
                + program.loneLength(config, cache, Integer.MAX_VALUE, options.deterministic())
                        * config.cacheBytesPerToken(Integer.MAX_VALUE, Precision.FP32.bytes());
        var share = device.isGpu() ? GPU_CACHE_SHARE : CPU_CACHE_SHARE;
        var spare = program.spareTokens();
        var needs = new MemoryPlan.Needs(
                config,
                cache.bytes(),
                loader.bytesNeeded(),
                working,
                length -> program.scratch(config, slots(), promptRows(), cache, length),
                spare,
                share);
        return MemoryPlan.of(memory, needs, options.slots(), options.contextLength());
    }

    /// What a tensor takes on its way to the program. A matrix is unpacked to float32, and experts come one by one.
    /// The second embedding stays as it is stored.
    private static long loadingBytes(String name, Tensor tensor, ModelConfig config) {
        return name.equals(TensorCheck.LAYER_EMBEDDING)
                ? tensor.data().byteSize()
                : tensor.elements() / parts(name, config) * Precision.FP32.bytes();
    }

    /// In how many parts a tensor is loaded.
    private static int parts(String name, ModelConfig config) {
        return LayerTensors.isOfAllExperts(name)
                ? config.layers().stream()
                        .map(layer -> layer.feedForward().experts())
                        .filter(Objects::nonNull)
                        .mapToInt(Experts::count)
                        .findFirst()
                        .orElse(1)
                : 1;
    }

    /// What the largest step computes beside the cache: activations, and two copies of the logits.
    private long stepBytes(ModelConfig config) {
        var slots = slots();
        return (slots + (long) promptRows()) * config.activationBytes()
                + 2L * slots * config.vocabulary() * Float.BYTES;
    }

    /// The longest piece of a prompt that one call takes. A text whose tokens see those after them is one piece.
    private int promptRows() {
        var context = options.contextLength() == 0 ? described.contextLength() : options.contextLength();
        return described.isBidirectional() ? Math.max(LayerState.MOST_TOKENS, context) : LayerState.MOST_TOKENS;
    }

    private int slots() {
        return options.slots() == 0 ? MemoryPlan.DEFAULT_SLOTS : options.slots();
    }

    private Precision cachePrecision(Precision weights) {
        return options.cache() == Precision.AUTO ? program.defaultCache(weights) : options.cache();
    }

    /// How most of the weights are held, and the type that they have in the file.
    private String format(Precision weights) {
        var bytes = new EnumMap<TensorType, Long>(TensorType.class);
        for (var tensor : model.tensors().values()) {
            bytes.merge(tensor.type(), tensor.data().byteSize(), Long::sum);
        }
        var most = bytes.keySet().stream().max(Comparator.comparing(bytes::get)).orElseThrow();
        return program.weightFormat(weights, most) + " (" + most + ")";
    }
}
