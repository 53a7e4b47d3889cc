package dev.llmworker.model.decoder;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Libtorch;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.stats.Stages;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.random.RandomGenerator;

/// A random model of two layers as a GGUF file, and its weights as plain numbers: exactly those that the file's
/// blocks stand for.
final class TinyLlama {
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

    /// @param feedForward a multiple of 32; of 64 for the int4 layout
    /// @param vocabulary likewise; the embedding's rows
    TinyLlama(TensorType type, int feedForward, int vocabulary, boolean ownHead, RandomGenerator random) {
        this("llama", type, feedForward, vocabulary, ownHead, random);
    }

    private TinyLlama(
            String architecture,
            TensorType type,
            int feedForward,
            int vocabulary,
            boolean ownHead,
            RandomGenerator random) {
        this.feedForward = feedForward;
        this.vocabulary = vocabulary;
        this.random = random;
        metadata(architecture);
        matrix("token_embd.weight", type, vocabulary, HIDDEN, 1);
        for (var layer = 0; layer < LAYERS; layer++) {
            var block = "blk." + layer + ".";
            norm(block + "attn_norm.weight");
            norm(block + "ffn_norm.weight");
            matrix(block + "attn_q.weight", type, HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_k.weight", type, KV_HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_v.weight", type, KV_HEADS * HEAD_DIM, HIDDEN, 1);
            matrix(block + "attn_output.weight", type, HIDDEN, HEADS * HEAD_DIM, 1);
            matrix(block + "ffn_gate.weight", type, feedForward, HIDDEN, 1);
            matrix(block + "ffn_up.weight", type, feedForward, HIDDEN, 1);
            matrix(block + "ffn_down.weight", type, HIDDEN, feedForward, 1);
        }
        norm("output_norm.weight");
        if (ownHead) {
            matrix("output.weight", type, vocabulary, HIDDEN, 1);
        }
    }

    /// Of sizes that every form of matrix takes.
    static TinyLlama of(TensorType type, RandomGenerator random) {
        return new TinyLlama(type, 128, 192, true, random);
    }

    /// As [#of], but queries and keys of the file have their pairs half a head apart.
    static TinyLlama halfSplit(TensorType type, RandomGenerator random) {
        return new TinyLlama("phi3", type, 128, 192, true, random);
    }

    TorchDecoder load(Path directory, DecoderOptions options) throws IOException, InterruptedException {
        return load(file, directory, options);
    }

    /// By a program of choice.
    TorchDecoder load(Path directory, DecoderOptions options, ProgramKind program)
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
    private void matrix(String name, TensorType wanted, int rows, int columns, float size) {
        // As llama-quantize does: rows that are not whole blocks are of another type.
        var type = columns % wanted.blockElements() == 0 ? wanted : TensorType.F16;
        var scale = size / (float) Math.sqrt(columns);
        var weights = new float[rows * columns];
        var elements = type.blockElements();
        var bytes = ByteBuffer.allocate(weights.length / elements * type.blockBytes())
                .order(ByteOrder.LITTLE_ENDIAN);
        for (var start = 0; start < weights.length; start += elements) {
            block(type, scale, bytes, weights, start);
        }
        values.put(name, weights);
        file.tensor(name, type, bytes.array(), columns, rows);
    }

    private void block(TensorType type, float scale, ByteBuffer bytes, float[] weights, int start) {
        switch (type) {
            case F32 -> {
                weights[start] = (float) random.nextGaussian() * scale;
                bytes.putFloat(weights[start]);
            }
            case F16 -> weights[start] = half(bytes, (float) random.nextGaussian() * scale);
            case BF16 -> {
                var bits = Float.floatToRawIntBits((float) random.nextGaussian() * scale) & 0xFFFF0000;
                weights[start] = Float.intBitsToFloat(bits);
                bytes.putShort((short) (bits >>> 16));
            }
            case Q8_0 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 64);
                for (var i = 0; i < type.blockElements(); i++) {
                    var quant = (byte) random.nextInt(-128, 128);
                    bytes.put(quant);
                    weights[start + i] = d * quant;
                }
            }
            case Q4_0 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 4);
                nibbles(bytes, d, -8 * d, weights, start);
            }
            case Q4_1 -> {
                var d = half(bytes, scale * (0.5f + random.nextFloat()) / 4);
                var minimum = half(bytes, -7.5f * d + scale * random.nextFloat() / 10);
                nibbles(bytes, d, minimum, weights, start);
            }
            case Q5_0 -> random(type, bytes, weights, start, scale / 9);
            case Q5_1 -> random(type, bytes, weights, start, scale / 9, -15.5f * scale / 9);
            // Group scales and minimums are 31 on the average, and the minimums do not go with the scales.
            case Q4_K -> random(type, bytes, weights, start, scale / 400, 7.5f * scale / 400);
            case Q5_K -> random(type, bytes, weights, start, scale / 800, 15.5f * scale / 800);
            case Q6_K -> random(type, bytes, weights, start, scale / 1370);
            case MXFP4 -> exponents(bytes, weights, start, scale / 3);
        }
    }

    /// A block of random bytes but for the float16 scales.
    private void random(TensorType type, ByteBuffer bytes, float[] weights, int start, float... scales) {
        var block = new byte[type.blockBytes()];
        random.nextBytes(block);
        var at = type == TensorType.Q6_K ? 208 : 0;
        for (var scale : scales) {
            ByteBuffer.wrap(block)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putShort(at, Float.floatToFloat16(scale * (0.75f + random.nextFloat() / 2)));
            at += Short.BYTES;
        }
        bytes.put(block);
        System.arraycopy(NaiveBlocks.values(type, block), 0, weights, start, type.blockElements());
    }

    /// A block of MXFP4, whose scale is a power of two.
    private void exponents(ByteBuffer bytes, float[] weights, int start, float scale) {
        var block = new byte[TensorType.MXFP4.blockBytes()];
        random.nextBytes(block);
        block[0] = (byte) (127 + Math.getExponent(scale) + random.nextInt(2));
        bytes.put(block);
        var values = NaiveBlocks.values(TensorType.MXFP4, block);
        System.arraycopy(values, 0, weights, start, values.length);
    }

    private void nibbles(ByteBuffer bytes, float d, float offset, float[] weights, int start) {
        for (var i = 0; i < 16; i++) {
            int low = random.nextInt(16), high = random.nextInt(16);
            bytes.put((byte) (high << 4 | low));
            weights[start + i] = d * low + offset;
            weights[start + i + 16] = d * high + offset;
        }
    }

    private static float half(ByteBuffer bytes, float value) {
        var bits = Float.floatToFloat16(value);
        bytes.putShort(bits);
        return Float.float16ToFloat(bits);
    }
}
