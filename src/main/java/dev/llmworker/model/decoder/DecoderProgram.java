package dev.llmworker.model.decoder;

import ai.djl.Device;
import ai.djl.pytorch.jni.JniUtils;
import dev.llmworker.model.Attention;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.DeltaNet;
import dev.llmworker.model.FeedForward.Experts.Scoring;
import dev.llmworker.model.Layer;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.MemoryPlan;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Rope;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.LoadableProgram;
import dev.llmworker.model.loading.MatrixParts;
import dev.llmworker.model.loading.WeightLayout;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.IntStream;

/// A decoder program: its methods with their types, and what differs between the kinds. `program.py` has the
/// table of the methods and describes them.
///
/// Loading: [#configure], [#allocate], the embedding, vectors and matrices by layer, then [#build] and [#loaded].
///
/// Threading: as [ExportedProgram].
sealed interface DecoderProgram extends LoadableProgram, AutoCloseable
        permits QuantisedProgram, DenseProgram, NativeProgram {
    ExportedProgram exported();

    // What a kind decides before its weights are loaded.

    /// The format of the weights; AUTO leaves it to [#fewRows].
    ///
    /// @throws IllegalArgumentException if the program cannot have what the options ask for
    default Precision weights(DecoderOptions options, Device device) {
        if (options.weights() == Precision.FP16) {
            throw new IllegalArgumentException("weights in fp16 need a GPU; on a CPU they can be auto, bf16 or fp32");
        }
        return options.weights();
    }

    /// The format of the KV cache if the options leave it open.
    default Precision defaultCache(Precision weights) {
        return weights == Precision.AUTO ? Precision.BF16 : weights;
    }

    /// How slots share the cache.
    default MemoryPlan.Layout layout() {
        return new MemoryPlan.Layout.Shares(0);
    }

    /// As [Decoder#room()], once the program is loaded.
    default CacheRoom room() {
        return CacheRoom.OWN_SHARE;
    }

    /// What a step takes beside its activations, in bytes: scores and masks of attention, tables of positions, copies
    /// of states.
    ///
    /// @param promptRows the most rows of prompts in a step
    default long scratch(ModelConfig config, int slots, int promptRows, Precision cache, long contextLength) {
        return 0;
    }

    /// As [Decoder#prompts()]. A layer that does not keep all positions bounds them further.
    default PromptSizes prompts(ModelConfig config, Device device, int contextLength) {
        return PromptSizes.OF_CPU;
    }

    /// What a tensor takes beside the weights while it is loaded, in bytes.
    ///
    /// @param elements of the tensor, or of the part of it that is loaded at once
    default long loadingBytes(long elements) {
        // A matrix is unpacked to float32.
        return elements * Precision.FP32.bytes();
    }

    @Override
    default boolean readsAhead() {
        return false;
    }

    /// Whether its cache is allocated in [#build]: then [#configure] may be called again before that.
    default boolean allocatesLast() {
        return false;
    }

    /// The positions of the float32 copy of slot 0 that makes steps of one row faster; 0 is none.
    default int loneLength(ModelConfig config, Precision cache, int contextLength, boolean deterministic) {
        return 0;
    }

    @Override
    default WeightLayout manyRows(WeightLayout few, Precision weights, boolean copyFits) {
        return few;
    }

    @Override
    default long embeddingBytes(Tensor embedding, Precision dense) {
        return embedding.bytes();
    }

    @Override
    default boolean embedsByHead(TensorType type) {
        return false;
    }

    @Override
    default boolean checksFinite(TensorType type) {
        return false;
    }

    /// How weights of a type are held, for the description: `int4`.
    ///
    /// @param weights as [#weights] returned
    default String weightFormat(Precision weights, TensorType type) {
        return weights.inLowerCase();
    }

    // Loading.

    /// Takes the cache that the plan has room for. Called after [#configure], and again after it.
    default void plan(MemoryPlan plan) {}

    /// Describes the model. [#allocate] follows once.
    ///
    /// @param compute format of dense matrices
    default void configure(
            ModelConfig config,
            int slots,
            int contextLength,
            Precision compute,
            Precision cache,
            String device,
            boolean deterministic) {
        exported()
                .run(
                        "configure",
                        config.hidden(),
                        config.vocabulary(),
                        slots,
                        contextLength,
                        loneLength(config, cache, contextLength, deterministic),
                        (double) config.epsilon(),
                        config.normsFromZero(),
                        config.embeddingScale(),
                        config.logitScale(),
                        config.logitCap(),
                        config.layerInput(),
                        compute.inLowerCase(),
                        cache.inLowerCase(),
                        device,
                        deterministic);
        var ropes = config.attentions()
                .map(Attention::rope)
                .filter(Objects::nonNull)
                .distinct()
                .toList();
        for (var rope : ropes) {
            exported().run("add_rope", rope.frequencies(), rope.strength());
        }
        for (var layer : config.layers()) {
            addLayer(layer, ropes, contextLength);
        }
    }

    /// After [#configure] and before the weights.
    default void allocate() {
        exported().run("allocate");
    }

    private void addLayer(Layer layer, List<Rope> ropes, int contextLength) {
        var block = layer.feedForward();
        var experts = block.experts();
        var arguments = new ArrayList<Object>();
        switch (layer.mixer()) {
            case Attention attention -> addAttention(attention, ropes, contextLength, arguments);
            case DeltaNet delta -> addDelta(delta, arguments);
        }
        arguments.addAll(List.of(
                layer.norms().name().toLowerCase(Locale.ROOT),
                layer.residualScale(),
                block.activation().name().toLowerCase(Locale.ROOT),
                block.width(),
                experts == null ? 0 : experts.count(),
                experts == null ? 0 : experts.used(),
                experts != null && experts.scoring() == Scoring.SOFTMAX_OF_CHOSEN,
                experts != null && experts.normalised(),
                experts == null ? 1.0 : experts.scale(),
                experts == null ? 0 : experts.sharedWidth()));
        exported().run("add_layer", arguments.toArray());
    }

    private static void addAttention(Attention attention, List<Rope> ropes, int contextLength, List<Object> arguments) {
        var growth = attention.growth();
        var state = attention.state(contextLength);
        arguments.addAll(List.of(
                attention.heads(),
                attention.kvHeads(),
                attention.headDim(),
                attention.window(),
                state instanceof LayerState.Ring ring ? ring.length() : 0,
                attention.keysOf(),
                attention.rope() == null ? -1 : ropes.indexOf(attention.rope()),
                attention.scale(),
                attention.cap(),
                growth == null ? 0.0 : growth.beta(),
                growth == null ? 1 : growth.length(),
                attention.norm().name().toLowerCase(Locale.ROOT),
                attention.gated(),
                attention.bidirectional(),
                0,
                0,
                false));
    }

    private static void addDelta(DeltaNet delta, List<Object> arguments) {
        arguments.addAll(List.of(
                delta.valueHeads(),
                delta.keyHeads(),
                delta.valueDim(),
                0,
                0,
                Attention.OWN_KEYS,
                -1,
                1.0,
                0.0,
                0.0,
                1,
                "none",
                false,
                false,
                delta.kernel(),
                delta.keyDim(),
                delta.tiled()));
    }

    @Override
    default void putEmbedding(List<MemorySegment> pieces, TensorType type, int rows) {
        exported().run("put_embedding", pieces, type.ggufId(), rows);
    }

    @Override
    default void putLayerEmbedding(List<MemorySegment> pieces, TensorType type, int rows) {
        exported().run("put_layer_embedding", pieces, type.ggufId(), rows);
    }

    @Override
    default void putOutputNorm(Tensor norm) {
        exported().run("put_output_norm", MatrixParts.pieces(norm), norm.type().ggufId());
    }

    @Override
    default void putVector(int layer, String role, List<Tensor> parts) {
        exported().run("put_vector", layer, role, data(parts), types(parts));
    }

    @Override
    default void putMatrix(int layer, String role, MatrixParts parts, WeightLayout few, WeightLayout many) {
        exported()
                .run(
                        "put_matrix",
                        layer,
                        role,
                        parts.pieces(),
                        parts.types(),
                        parts.rows(),
                        parts.columns(),
                        few.programLayout(),
                        many.programLayout(),
                        few.manyRowsFrom());
    }

    /// The next matrix that vectors of texts are multiplied with.
    default void putProjection(MatrixParts parts) {
        exported().run("put_projection", parts.pieces(), parts.types(), parts.rows());
    }

    /// The numbers of a tensor as the program reads them from its file: what tests compare.
    default float[] fileNumbers(Tensor tensor) {
        return exported()
                .floats(
                        "file_numbers",
                        MatrixParts.pieces(tensor),
                        tensor.type().ggufId());
    }

    default void build() {
        exported().run("build");
    }

    /// Ends loading; called after [#build].
    ///
    /// @throws ModelFileException if the program found that weights are not finite
    default void loaded(StoredModel model, Device device, boolean deterministic) throws ModelFileException {}

    private static List<MemorySegment> data(List<Tensor> tensors) {
        return tensors.stream().map(Tensor::data).toList();
    }

    private static long[] types(List<Tensor> tensors) {
        return tensors.stream().mapToLong(tensor -> tensor.type().ggufId()).toArray();
    }

    // What a kind decides while it runs.

    /// Sets how many threads the calls from now on take.
    default void useThreads(int threads) {
        JniUtils.setNumThreads(threads);
    }

    /// Whether a row's result never depends on what is decoded beside it, even without deterministic mode.
    default boolean rowsAreIndependent() {
        return false;
    }

    /// How many draft tokens a step can take; 0 if each slot has one row.
    default int mostDrafts() {
        return 0;
    }

    /// Called before tokens of prompts run.
    ///
    /// @param alone nothing else is being decoded
    default void beforePrompt(int tokens, boolean alone) {}

    /// Called after each decode call.
    default void afterStep(int rows) {}

    /// Frees memory that the program can take again.
    default void rest() {}

    // Calls.

    default void prefill(int[] ids, int slot, int start) {
        exported().run("prefill", longs(ids), slot, start);
    }

    /// @param numbers temperature, top_p, min_p and the uniform number
    default int prefillLast(
            int[] ids, int slot, int start, int topK, double[] numbers, boolean sampled, boolean filtered) {
        return (int) exported().integer("prefill_last", longs(ids), slot, start, topK, numbers, sampled, filtered);
    }

    /// The logits after the last token.
    default float[] prefillLogits(int[] ids, int slot, int start) {
        return exported().floats("prefill_logits", longs(ids), slot, start, false);
    }

    /// The next decode step also runs a chunk of a prompt.
    default void addChunk(PromptPart part) {
        exported().run("add_chunk", longs(part.ids()), part.slot(), part.start());
    }

    /// The rows of the next step are in these slots.
    default void placeRows(long[] slots) {
        throw new UnsupportedOperationException("each slot has one row");
    }

    /// @return the tokens by step, then by row
    default int[] decode(DecodeCall call) {
        return exported()
                .integers(
                        "decode", call.integers(), call.numbers(), call.steps(), call.anySampled(), call.anyFiltered());
    }

    /// Runs the layers of a step; [#decodeSteered] chooses its tokens. A GPU may still be working when this returns.
    default void beginSteered(DecodeCall call) {
        exported().run("begin_steered", call.integers());
    }

    /// After [#beginSteered].
    ///
    /// @return the report, as [LogitProcessing#read] takes it
    default float[] decodeSteered(DecodeCall call, LogitProcessing.Arguments processing) {
        return exported()
                .floats(
                        "decode_steered",
                        call.integers(),
                        call.numbers(),
                        call.steps(),
                        call.anySampled(),
                        call.anyFiltered(),
                        processing.adjusted(),
                        processing.factors(),
                        processing.places(),
                        processing.bias(),
                        processing.bounded(),
                        processing.allowed(),
                        processing.vocabulary(),
                        processing.top());
    }

    /// The logits of a step, by row.
    default float[] decodeLogits(int[] tokens, int[] positions) {
        return exported().floats("decode_logits", longs(tokens), longs(positions));
    }

    /// Runs parts of texts through the model, all in one step.
    ///
    /// @param summed whether to return the sum of each part's rows, and not its last row
    /// @return the vectors one after the other
    default float[] encode(List<PromptPart> parts, boolean summed) {
        var ids = parts.stream().flatMapToInt(part -> IntStream.of(part.ids())).asLongStream();
        var places = parts.stream()
                .map(part -> new long[] {part.slot(), part.start(), part.ids().length})
                .toArray(long[][]::new);
        return exported().floats("encode", ids.toArray(), places, summed);
    }

    /// Vectors, one after the other, times all matrices of [#putProjection].
    default float[] project(double[] vectors) {
        return exported().floats("project_vectors", (Object) vectors);
    }

    /// Of the layers that keep all positions.
    default void copySlot(int from, int to, int length) {
        exported().run("copy_slot", from, to, length);
    }

    /// The sequence in a slot goes on from `length`; what the slot has behind it is not needed.
    default void cutSlot(int slot, int length) {}

    /// As [Decoder#moveSlot].
    default void moveSlot(int from, int to, int length) {
        copySlot(from, to, length);
    }

    /// Copies what layers keep of fixed size. State 0 of a slot is the present one.
    default void copyState(int fromSlot, int from, int toSlot, int to) {
        exported().run("copy_state", fromSlot, from, toSlot, to);
    }

    /// With all states.
    default void swapSlots(int a, int b, int length) {
        exported().run("swap_slots", a, b, length);
    }

    /// Copies positions `start` to `end`, exclusive, of the layers that keep all positions. `start` is a multiple of
    /// [SlotCopies#STEP].
    default void readPositions(int slot, int start, int end, MemorySegment to) {
        exported().run("read_positions", slot, start, end, List.of(to));
    }

    /// As [#readPositions], the other way.
    default void writePositions(int slot, int start, int end, MemorySegment from) {
        exported().run("write_positions", slot, start, end, List.of(from));
    }

    /// Copies a state of the other layers.
    default void readState(int slot, int state, MemorySegment to) {
        exported().run("read_state", slot, state, List.of(to));
    }

    default void writeState(int slot, int state, MemorySegment from) {
        exported().run("write_state", slot, state, List.of(from));
    }

    /// As [Decoder#clearSlot].
    default void clearSlot(int slot, int length) {
        exported().run("clear_slot", slot, length);
    }

    /// Forgets the parts of prompts of a step that failed.
    default void clearChunks() {
        exported().run("clear_chunks");
    }

    /// The bytes of matrices that a step of one row reads.
    default long stepBytes() {
        return exported().integer("step_bytes");
    }

    /// The SHA-256 of the sources that the program was exported from.
    default String sourceSha256() {
        return exported().text("source_sha256");
    }

    @Override
    default void close() {
        exported().close();
    }

    private static long[] longs(int[] integers) {
        return IntStream.of(integers).asLongStream().toArray();
    }
}
