package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.function.Function;
import java.util.random.RandomGenerator;

/// A random model of two layers as a GGUF file, and its weights as plain numbers: exactly those that the file's
/// blocks stand for.
public final class TinyLlama {
    static final int LAYERS = 2;
    static final int HIDDEN = 256;
    static final int HEADS = 8;
    static final int KV_HEADS = 2;
    static final int HEAD_DIM = 32;
    static final int CONTEXT = 512;
    static final float EPSILON = 1e-5f;

    final int feedForward;
    final int vocabulary;
    final GgufFile file = new GgufFile();
    /// By tensor name, rows after each other.
    final Map<String, float[]> values = new LinkedHashMap<>();

    private final RandomGenerator random;
    private final Function<String, TensorType> types;

    /// @param feedForward a multiple of 32; of 64 for the int4 layout
    /// @param vocabulary likewise; the embedding's rows
    public TinyLlama(TensorType type, int feedForward, int vocabulary, boolean ownHead, RandomGenerator random) {
        this("llama", _ -> type, feedForward, vocabulary, ownHead, random);
    }

    private TinyLlama(
            String architecture,
            Function<String, TensorType> types,
            int feedForward,
            int vocabulary,
            boolean ownHead,
            RandomGenerator random) {
        this.feedForward = feedForward;
        this.vocabulary = vocabulary;
        this.random = random;
        this.types = types;
        metadata(architecture);
        matrix("token_embd.weight", vocabulary, HIDDEN, 1);
        for (var layer = 0; layer < LAYERS; layer++) {
            var block = "blk." + layer + ".";
            norm(block + "attn_norm.weight");
            norm(block + "ffn_norm.weight");
            matrix(block + "attn_q.weight", HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_k.weight", KV_HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_v.weight", KV_HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_output.weight", HIDDEN, HEADS * HEAD_DIM, 1);
            matrix(block + "ffn_gate.weight", feedForward, HIDDEN, 1);
            matrix(block + "ffn_up.weight", feedForward, HIDDEN, 1);
            matrix(block + "ffn_down.weight", HIDDEN, feedForward, 1);
        }
        norm("output_norm.weight");
        if (ownHead) {
            matrix("output.weight", vocabulary, HIDDEN, 1);
        }
    }

    /// Of sizes that every form of matrix takes.
    public static TinyLlama of(TensorType type, RandomGenerator random) {
        return new TinyLlama(type, 128, 192, true, random);
    }

    /// Of a type for each matrix, by its name.
    static TinyLlama mixed(Function<String, TensorType> types, RandomGenerator random) {
        return new TinyLlama("llama", types, 256, 192, true, random);
    }

    /// As [#of], but queries and keys of the file have their pairs half a head apart.
    static TinyLlama halfSplit(TensorType type, RandomGenerator random) {
        return new TinyLlama("phi3", _ -> type, 128, 192, true, random);
    }

    TorchDecoder load(Path directory, DecoderOptions options) throws IOException, InterruptedException {
        return load(file, directory, options);
    }

    /// By a program of choice.
    public TorchDecoder load(Path directory, DecoderOptions options, ProgramKind program)
            throws IOException, InterruptedException {
        return load(file, directory, options, program);
    }

    static TorchDecoder load(GgufFile file, Path directory, DecoderOptions options)
            throws IOException, InterruptedException {
        try (var model = Gguf.open(file.write(directory.resolve("tiny.gguf")))) {
            return TorchDecoder.load(model, options, _ -> {});
        }
    }

    static TorchDecoder load(GgufFile file, Path directory, DecoderOptions options, ProgramKind program)
            throws IOException, InterruptedException {
        Libtorch.await();
        try (var model = Gguf.open(file.write(directory.resolve("tiny.gguf")))) {
            var described = Architectures.describe(model);
            return TorchDecoder.load(model, described, options, Device.cpu(), program, _ -> {}, new Stages());
        }
    }

    float[] weights(String name) {
        return Objects.requireNonNull(values.get(name), name);
    }

    private void metadata(String architecture) {
        file.string("general.architecture", architecture)
                .string("general.name", "tiny")
                .integer(architecture + ".block_count", LAYERS)
                .integer(architecture + ".embedding_length", HIDDEN)
                .integer(architecture + ".attention.head_count", HEADS)
                .integer(architecture + ".attention.head_count_kv", KV_HEADS)
                .integer(architecture + ".attention.key_length", HEAD_DIM)
                .integer(architecture + ".attention.value_length", HEAD_DIM)
                .integer(architecture + ".feed_forward_length", feedForward)
                .integer(architecture + ".context_length", CONTEXT)
                .integer(architecture + ".rope.dimension_count", HEAD_DIM)
                .number(architecture + ".rope.freq_base", 10_000)
                .number(architecture + ".attention.layer_norm_rms_epsilon", EPSILON);
    }

    private void norm(String name) {
        var weights = new float[HIDDEN];
        for (var i = 0; i < HIDDEN; i++) {
            weights[i] = 0.5f + random.nextFloat();
        }
        values.put(name, weights);
        file.floats(name, weights, HIDDEN);
    }

    /// Values of about `size` over the square root of the columns: what goes through such a matrix keeps its size.
    private void matrix(String name, int rows, int columns, float size) {
        var wanted = types.apply(name);
        // As llama-quantize does: rows that are not whole blocks are of another type.
        var type = columns % wanted.blockElements() == 0 ? wanted : TensorType.F16;
        var scale = size / (float) Math.sqrt(columns);
        var weights = new float[rows * columns];
        file.tensor(name, type, new RandomBlocks(random).fill(type, scale, weights), columns, rows);
        values.put(name, weights);
    }
}
