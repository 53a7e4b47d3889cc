package dev.llmworker.model.decoder;

import ai.djl.Device;
import ai.djl.pytorch.jni.JniUtils;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Precision;
import dev.llmworker.weights.ModelFileException;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;

/// A decoder program: its methods with their types, and what differs between the kinds. `program.py` has the
/// table of the methods and describes them.
///
/// Loading: [#configure], then embedding, norms and matrices in the order of use, then [#build] and [#loaded].
///
/// Threading: as [ExportedProgram].
sealed interface DecoderProgram extends AutoCloseable permits QuantisedProgram, DenseProgram, NativeProgram {
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

    /// Tokens that a slot's cache has room for beside its context, at most.
    default int spareTokens() {
        return 0;
    }

    /// The positions of the float32 copy of slot 0 that makes steps of one row faster; 0 is none.
    default int loneLength(ModelConfig config, Precision cache, int contextLength, boolean deterministic) {
        return 0;
    }

    /// The layout in which a matrix is kept for a few rows, joined from the parts.
    WeightLayout fewRows(List<Tensor> parts, Precision weights);

    /// The layout for many rows.
    ///
    /// @param copyFits whether the memory has room for all matrices in bfloat16 as well
    default WeightLayout manyRows(WeightLayout few, Precision weights, boolean copyFits) {
        return few;
    }

    /// What the embedding takes on the device if the program has one, in bytes.
    ///
    /// @param dense the format of dense matrices
    default long embeddingBytes(Tensor embedding, Precision dense) {
        return embedding.data().byteSize();
    }

    /// Whether a program without an embedding can look tokens up in a head of this type.
    default boolean embedsByHead(TensorType type) {
        return false;
    }

    /// Whether the program itself looks for NaN and infinity in matrices of this type. [#loaded] then reports them.
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
                        config.layers(),
                        config.hidden(),
                        config.heads(),
                        config.kvHeads(),
                        config.headDim(),
                        config.feedForward(),
                        slots,
                        contextLength,
                        loneLength(config, cache, contextLength, deterministic),
                        (double) config.epsilon(),
                        compute.inLowerCase(),
                        cache.inLowerCase(),
                        device,
                        deterministic);
    }

    /// @param pieces the embedding's bytes
    default void putEmbedding(List<MemorySegment> pieces, TensorType type, int rows) {
        exported().run("put_embedding", pieces, type.ggufId(), rows);
    }

    default void putNorm(List<MemorySegment> pieces, TensorType type) {
        exported().run("put_norm", pieces, type.ggufId());
    }

    /// @param vectors of queries, keys and values
    default void putAttentionBias(List<Tensor> vectors) {
        exported().run("put_attention_bias", data(vectors), types(vectors));
    }

    /// @param vectors of queries and keys
    default void putHeadNorms(List<Tensor> vectors) {
        exported().run("put_head_norms", data(vectors), types(vectors));
    }

    default void putMatrix(MatrixParts parts, WeightLayout few, WeightLayout many) {
        putMatrix("put_matrix", parts, few, many);
    }

    /// As [#putMatrix], for the last matrix, which makes logits.
    default void putHead(MatrixParts parts, WeightLayout few, WeightLayout many) {
        putMatrix("put_head", parts, few, many);
    }

    private void putMatrix(String method, MatrixParts parts, WeightLayout few, WeightLayout many) {
        exported()
                .run(
                        method,
                        parts.pieces(),
                        parts.types(),
                        parts.rows(),
                        parts.columns(),
                        few.programLayout(),
                        many.programLayout(),
                        few.manyRowsFrom());
    }

    default void build(double[] frequencies) {
        exported().run("build", frequencies);
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

    /// As [Decoder#leastPromptTokens()].
    default int leastPromptTokens() {
        return Decoder.LEAST_PROMPT_TOKENS;
    }

    /// Whether a row's result never depends on what is decoded beside it, even without deterministic mode.
    default boolean rowsAreIndependent() {
        return false;
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

    /// @return the tokens by step, then by row
    default int[] decode(DecodeCall call) {
        return exported()
                .integers(
                        "decode", call.integers(), call.numbers(), call.steps(), call.anySampled(), call.anyFiltered());
    }

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
                        processing.vocabulary(),
                        processing.top());
    }

    /// The logits of a step, by row.
    default float[] decodeLogits(int[] tokens, int[] positions) {
        return exported().floats("decode_logits", longs(tokens), longs(positions));
    }

    default void copySlot(int from, int to, int length) {
        exported().run("copy_slot", from, to, length);
    }

    /// As [Decoder#moveSlot].
    default void moveSlot(int from, int to, int length) {
        copySlot(from, to, length);
    }

    default void swapSlots(int a, int b, int length) {
        exported().run("swap_slots", a, b, length);
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
        var longs = new long[integers.length];
        for (var i = 0; i < longs.length; i++) {
            longs[i] = integers[i];
        }
        return longs;
    }
}
