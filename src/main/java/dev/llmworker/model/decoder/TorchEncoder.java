package dev.llmworker.model.decoder;

import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.Pooling;
import dev.llmworker.model.TensorCheck;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.loading.MatrixParts;
import dev.llmworker.weights.StoredModel;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;

/// The encoder over a decoder program in libtorch.
final class TorchEncoder implements Encoder {
    private static final String HEAD = "output.weight";
    private static final String EMBEDDING = "token_embd.weight";

    private final TorchDecoder decoder;
    private final DecoderProgram program;
    private final ModelConfig config;
    private final Pooling pooling;
    private final boolean projects;
    private final int dimensions;

    private TorchEncoder(
            TorchDecoder decoder, DecoderProgram program, ModelConfig config, Pooling pooling, List<Tensor> last) {
        this.decoder = decoder;
        this.program = program;
        this.config = config;
        this.pooling = pooling;
        projects = !last.isEmpty();
        dimensions =
                projects ? Math.toIntExact(last.stream().mapToLong(Tensor::rows).sum()) : config.hidden();
    }

    /// @throws ModelFileException if a matrix is not finite
    static TorchEncoder of(TorchDecoder decoder, DecoderProgram program, StoredModel model, Pooling pooling)
            throws ModelFileException {
        var config = Architectures.describe(model);
        try (var arena = Arena.ofShared()) {
            var matrices = pooling.scored().isEmpty()
                    ? TensorCheck.projections(model).stream().map(List::of).toList()
                    : List.of(scores(model, config, pooling.scored(), arena));
            for (var parts : matrices) {
                for (var part : parts) {
                    part.checkFinite();
                }
                program.putProjection(MatrixParts.of(parts));
            }
            var last = matrices.isEmpty() ? List.<Tensor>of() : matrices.getLast();
            return new TorchEncoder(decoder, program, config, pooling, last);
        }
    }

    /// The rows of the head that make the logits of some tokens.
    ///
    /// @param arena for a copy of a head in another form than its type's
    static List<Tensor> scores(StoredModel model, ModelConfig config, List<Integer> tokens, Arena arena)
            throws ModelFileException {
        if (model.tensors().containsKey(TensorCheck.SCORES)) {
            return List.of(unpacked(model.tensor(TensorCheck.SCORES), arena));
        }
        var head = unpacked(model.tensor(model.tensors().containsKey(HEAD) ? HEAD : EMBEDDING), arena);
        return tokens.stream()
                .map(token -> head.slice(token, config.hidden(), config.vocabulary()))
                .toList();
    }

    private static Tensor unpacked(Tensor tensor, Arena arena) throws ModelFileException {
        if (tensor.packed() != null) {
            tensor.checkFinite();
        }
        return tensor.inBlocks(arena);
    }

    @Override
    public int dimensions() {
        return dimensions;
    }

    @Override
    public int stepTokens() {
        var most = decoder.prompts().alone();
        return takesWholeTexts() ? Math.max(most, decoder.description().contextLength()) : most;
    }

    @Override
    public boolean takesWholeTexts() {
        return decoder.isBidirectional();
    }

    @Override
    public boolean isMixed() {
        return decoder.deterministic();
    }

    @Override
    public boolean isMean() {
        return pooling.mean();
    }

    @Override
    public float[][] encode(List<PromptPart> parts) {
        return rows(decoder.encode(parts, pooling.mean()), config.hidden());
    }

    @Override
    public float[][] project(float[][] pooled) {
        if (!projects) {
            return pooled;
        }
        var vectors = new double[pooled.length * config.hidden()];
        for (var i = 0; i < vectors.length; i++) {
            vectors[i] = pooled[i / config.hidden()][i % config.hidden()];
        }
        var projected = rows(program.project(vectors), dimensions);
        if (!pooling.scored().isEmpty()) {
            for (var logits : projected) {
                for (var i = 0; i < logits.length; i++) {
                    logits[i] = bounded(logits[i]);
                }
            }
        }
        return projected;
    }

    @Override
    public boolean canRepeatSteps() {
        return decoder.canRepeatSteps();
    }

    @Override
    public void recover() {
        decoder.recover();
    }

    @Override
    public void clearSlot(int slot, int length) {
        decoder.clearSlot(slot, length);
    }

    /// As the head's logits are.
    private float bounded(float product) {
        var logit = product * config.logitScale();
        return (float) (config.logitCap() == 0 ? logit : config.logitCap() * Math.tanh(logit / config.logitCap()));
    }

    private static float[][] rows(float[] all, int size) {
        var rows = new float[all.length / size][];
        for (var i = 0; i < rows.length; i++) {
            rows[i] = Arrays.copyOfRange(all, i * size, (i + 1) * size);
        }
        return rows;
    }
}
