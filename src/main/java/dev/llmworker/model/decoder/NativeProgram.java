package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.LayerState;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.WeightLayout;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/// The program for CPUs. Its layers are in C++, and its weights are as they are stored. A row's result
/// never depends on the rows beside it.
record NativeProgram(ExportedProgram exported) implements DecoderProgram {
    /// Types of which the program holds exactly what the file has.
    private static final Set<TensorType> HELD_EXACTLY = EnumSet.of(
            TensorType.Q4_0,
            TensorType.Q4_1,
            TensorType.Q4_K,
            TensorType.Q5_0,
            TensorType.Q5_1,
            TensorType.Q5_K,
            TensorType.Q8_0,
            TensorType.IQ4_NL,
            TensorType.TQ1_0,
            TensorType.TQ2_0,
            TensorType.F32,
            TensorType.F16,
            TensorType.BF16);

    private static final int LEAST_PROMPT_TOKENS = 4;
    /// With the newest token of one sequence, a step has 16 rows. The kernels multiply rows in groups, and 16 fills
    /// them.
    private static final int MOST_DRAFTS = 15;
    /// What a query's result over a piece of the context takes beside its values: `Partial` in `attention.cpp`.
    private static final int PARTIAL_BYTES = 16;

    @Override
    public Precision defaultCache(Precision weights) {
        return Precision.FP16;
    }

    @Override
    public long scratch(ModelConfig config, int slots, int promptRows, Precision cache, long contextLength) {
        var perToken = config.attentions()
                .filter(attention -> attention.window() == 0)
                .mapToLong(attention -> (long) (slots + promptRows)
                        * (attention.queryWidth() * (long) Float.BYTES + attention.heads() * PARTIAL_BYTES)
                        / LayerState.Ring.PIECE)
                .max()
                .orElse(0);
        return perToken * contextLength;
    }

    @Override
    public WeightLayout fewRows(List<Tensor> parts, Precision weights) {
        return WeightLayout.NATIVE;
    }

    @Override
    public boolean embedsByHead(TensorType type) {
        return HELD_EXACTLY.contains(type);
    }

    /// The program checks the scales and offsets of blocks as it holds them.
    @Override
    public boolean checksFinite(TensorType type) {
        return !type.isPlain();
    }

    /// Blocks go into the kernels' layout one by one.
    @Override
    public long loadingBytes(long elements) {
        return 0;
    }

    /// The weights are loaded by as many threads as the program was opened with.
    @Override
    public void allocate() {
        DecoderProgram.super.allocate();
        exported.run("use_threads", exported.threads());
    }

    @Override
    public String weightFormat(Precision weights, TensorType type) {
        return "native";
    }

    @Override
    public void loaded(StoredModel model, Device device, boolean deterministic) throws ModelFileException {
        if (!exported.test("is_finite")) {
            // The check in Java finds the tensor and the block.
            for (var tensor : model.tensors().values()) {
                tensor.checkFinite();
            }
            throw new ModelFileException(model.metadata().file(), "has a scale that float16 cannot hold");
        }
    }

    @Override
    public void useThreads(int threads) {
        DecoderProgram.super.useThreads(threads);
        exported.run("use_threads", threads);
    }

    /// A step's time grows with the rows almost from the first one. A long prompt therefore does not hold up a lone
    /// stream.
    @Override
    public PromptSizes prompts(ModelConfig config, Device device, int contextLength) {
        return PromptSizes.OF_CPU.withLeast(LEAST_PROMPT_TOKENS);
    }

    @Override
    public boolean rowsAreIndependent() {
        return true;
    }

    @Override
    public int mostDrafts() {
        return MOST_DRAFTS;
    }

    @Override
    public void placeRows(long[] slots) {
        exported.run("place_rows", (Object) slots);
    }

    /// A swap copies nothing at all.
    @Override
    public void moveSlot(int from, int to, int length) {
        swapSlots(from, to, length);
    }

    @Override
    public void close() {
        exported.run("close");
        exported.close();
    }
}
