package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderDescription;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.MemoryPlan;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.model.device.Devices;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.UnpackedCopies;
import dev.llmworker.model.loading.WeightLoader;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.function.LongConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Fills a decoder program with a model. It decides the formats and the context, and then loads the weights.
///
/// @param afterwards what is free once the weights are loaded, if that is worth knowing: the cache is then sized by it.
///     On a CPU other programs come and go
record ModelLoader(
        StoredModel model,
        ModelConfig described,
        DecoderOptions options,
        Device device,
        DecoderProgram program,
        @Nullable Supplier<DeviceMemory> afterwards) {
    private static final Logger LOG = LoggerFactory.getLogger(ModelLoader.class);
    /// Java's heap, the tokenizer and what a step computes.
    private static final long CPU_WORKING_BYTES = 256L << 20;
    /// A step's temporaries, cuBLAS, and kernels that are loaded late.
    private static final long GPU_WORKING_BYTES = 1L << 30;
    /// A machine runs other programs too; a GPU only runs this one.
    private static final double CPU_CACHE_SHARE = 0.5;

    private static final double GPU_CACHE_SHARE = 0.9;
    /// A step of a GPU takes hardly longer with more rows.
    private static final int GPU_SLOTS = 128;

    /// @param states as [ModelConfig#states]
    /// @param prompts as [Decoder#prompts()]
    /// @param cache format of keys and values
    /// @param copiesFormat as [SlotCopies#format()]
    /// @param copiesBytes that copies of slots may take in main memory; 0 if there are none
    record Loaded(
            DecoderDescription description,
            List<LayerState> states,
            PromptSizes prompts,
            Precision cache,
            String copiesFormat,
            long copiesBytes) {}

    ModelLoader(
            StoredModel model, ModelConfig described, DecoderOptions options, Device device, DecoderProgram program) {
        this(model, described, options, device, program, device.isGpu() ? () -> DeviceMemory.emptied(device) : null);
    }

    Loaded load(LongConsumer progress) throws IOException, InterruptedException {
        checkMainMemory();
        var weights = program.weights(options, device);
        var cache = cachePrecision(weights);
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, described, program, weights, memory.total(), progress);
        // A model that cannot fit is refused before it is loaded.
        var plan = plan(memory, loader.bytesNeeded(), cache);
        LOG.info("{}", plan);
        var config = configure(plan, weights, cache);
        program.allocate();
        loader.load();
        if (afterwards != null && program.allocatesLast()) {
            var taken = Math.max(0, memory.available() - afterwards.get().available());
            plan = plan(memory, taken, cache);
            LOG.info("with the weights loaded: {}", plan);
            config = configure(plan, weights, cache);
        }
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
                plan.byKind(config, cache),
                config.cacheBytesPerToken(plan.contextLength(), cache),
                plan.tokens());
        return new Loaded(
                description,
                config.states(plan.contextLength()),
                prompts(plan.contextLength()),
                cache,
                copiesFormat(config.states(plan.contextLength()), weights, cache, plan.contextLength()),
                copiesBytes(plan));
    }

    /// The context is part of it, because some models turn positions otherwise in longer ones. Kernels of another build
    /// may round otherwise, and so may another processor.
    private String copiesFormat(List<LayerState> states, Precision weights, Precision cache, int contextLength) {
        return String.join(
                "\0",
                program.sourceSha256(),
                NativeLibrary.checksum(),
                Libtorch.kernels(),
                String.valueOf(device.isGpu()),
                weights.name(),
                cache.name(),
                String.valueOf(options.deterministic()),
                String.valueOf(contextLength),
                states.toString());
    }

    /// What copies of slots may take. On a GPU there are none yet.
    private long copiesBytes(MemoryPlan plan) {
        if (device.isGpu()) {
            return 0;
        }
        var bytes = plan.copies(options.copiesBytes());
        if (bytes < options.copiesBytes()) {
            LOG.warn(
                    "PREFIX_CACHE_BYTES is {}, but only {} bytes are left beside weights and KV cache, so it is {}",
                    options.copiesBytes(),
                    bytes,
                    bytes);
        } else if (bytes > 0) {
            LOG.info("evicted prefixes may take {} MB of main memory", bytes / 1_000_000);
        }
        return bytes;
    }

    private ModelConfig configure(MemoryPlan plan, Precision weights, Precision cache) {
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
        program.plan(plan);
        return config;
    }

    /// A layer that does not keep all positions has room for the tokens of a short call only.
    private PromptSizes prompts(int contextLength) {
        var sizes = program.prompts(described, device, contextLength);
        var complete = described.states(contextLength).stream().allMatch(LayerState.Full.class::isInstance);
        return complete ? options.deterministic() ? sizes.alike() : sizes : sizes.atMost(LayerState.MOST_TOKENS);
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
        checkMainMemory();
        var memory = DeviceMemory.of(device);
        var loader = new WeightLoader(model, described, program, weights, memory.total(), _ -> {});
        return ModelSummary.of(
                model,
                described,
                Devices.name(device),
                format(weights),
                loader.heldTypes(),
                loader.stepBytes(),
                plan(memory, loader.bytesNeeded(), cache));
    }

    /// @param weightBytes that the weights take, or have taken
    private MemoryPlan plan(DeviceMemory memory, long weightBytes, Precision cache) {
        var config = described;
        var largest = model.tensors().entrySet().stream()
                .mapToLong(entry -> loadingBytes(entry.getKey(), entry.getValue(), config))
                .max()
                .orElse(0);
        var working = largest
                + (device.isGpu() ? GPU_WORKING_BYTES : CPU_WORKING_BYTES)
                // Two copies of the logits. Few sequences may have drafts.
                + 2L * Math.max(slots(), 2 * program.mostDrafts()) * config.vocabulary() * Float.BYTES
                + program.loneLength(config, cache, Integer.MAX_VALUE, options.deterministic())
                        * config.cacheBytesPerToken(Integer.MAX_VALUE, Precision.FP32);
        var share = device.isGpu() ? GPU_CACHE_SHARE : CPU_CACHE_SHARE;
        var needs = new MemoryPlan.Needs(
                config,
                cache,
                weightBytes,
                working,
                length -> scratch(config, promptRows((int) length), cache, length),
                program.layout(),
                share,
                device.isGpu() ? GPU_SLOTS : MemoryPlan.DEFAULT_SLOTS);
        return MemoryPlan.of(memory, needs, options.slots(), options.contextLength());
    }

    /// On a CPU the plan counts all of it.
    private void checkMainMemory() {
        if (device.isGpu()) {
            UnpackedCopies.check(model, described, DeviceMemory.of(Device.cpu()));
        }
    }

    /// What a tensor takes on its way to the program, with [UnpackedCopies] in a CPU's main memory.
    /// The second embedding stays as it is stored, in main memory.
    private long loadingBytes(String name, Tensor tensor, ModelConfig config) {
        return name.equals(TensorCheck.LAYER_EMBEDDING)
                ? device.isGpu() ? 0 : tensor.bytes()
                : program.loadingBytes(tensor.elements() / UnpackedCopies.parts(name, config))
                        + (device.isGpu() ? 0 : UnpackedCopies.bytesForCpu(name, tensor, config));
    }

    /// The most tokens of prompts that one call takes. A text whose tokens see those after them is one piece.
    private int promptRows(int contextLength) {
        var rows = prompts(contextLength).alone();
        return described.isBidirectional() ? Math.max(rows, contextLength) : rows;
    }

    /// What the largest step computes beside the cache and the logits.
    private long scratch(ModelConfig config, int promptRows, Precision cache, long length) {
        return (slots() + promptRows) * config.activationBytes()
                + program.scratch(config, slots(), promptRows, cache, length);
    }

    private int slots() {
        return options.slots() == 0 ? device.isGpu() ? GPU_SLOTS : MemoryPlan.DEFAULT_SLOTS : options.slots();
    }

    private Precision cachePrecision(Precision weights) {
        return options.cache() == Precision.AUTO ? program.defaultCache(weights) : options.cache();
    }

    /// How most of the weights are held, and the type that they have in the file.
    private String format(Precision weights) {
        var bytes = new EnumMap<TensorType, Long>(TensorType.class);
        for (var tensor : model.tensors().values()) {
            bytes.merge(tensor.type(), tensor.bytes(), Long::sum);
        }
        var most = bytes.keySet().stream().max(Comparator.comparing(bytes::get)).orElseThrow();
        return program.weightFormat(weights, most) + " (" + most + ")";
    }
}
