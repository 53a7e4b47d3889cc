package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.GgufFile;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Models that the decoder does not run, and what the operator reads.
@Concurrent
class ModelConfigTest {
    @TempDir
    private Path directory;

    @Test
    void anotherArchitectureIsRefusedByName() {
        assertRefused(
                new GgufFile().string("general.architecture", "mamba"),
                "metadata general.architecture is mamba; supported: " + Architectures.supported());
    }

    @Test
    void aPartThatTheProgramWouldLeaveOutIsRefused() {
        assertRefused(
                tiny().file.floats("blk.1.attn_sinks.weight", new float[TinyLlama.HEADS], TinyLlama.HEADS),
                "tensor blk.1.attn_sinks.weight is not of a llama model as it is supported");
        assertRefused(
                tiny().file.floats("blk.0.attn_q_norm.weight", new float[TinyLlama.HEAD_DIM], TinyLlama.HEAD_DIM),
                "tensor blk.0.attn_q_norm.weight is not of a llama model as it is supported");
    }

    @Test
    void attentionWithinAWindowDoesNotLimitTheContext() throws Exception {
        try (var decoder = TinyLlama.load(
                tiny().file.integer("llama.attention.sliding_window", 192), directory, DecoderOptions.cpu(1))) {
            assertEquals(512, decoder.description().contextLength());
        }
        assertRefused(
                tiny().file.integer("llama.attention.sliding_window", -1),
                "metadata llama.attention.sliding_window is -1; expected 0 to 2147483647");
    }

    @Test
    void aWindowOfTheWholeContextIsNone() throws Exception {
        var file = tiny().file.integer("llama.attention.sliding_window", 512);
        TinyLlama.load(file, directory, DecoderOptions.cpu(1)).close();
    }

    @Test
    void aQwen2WithoutItsBiasesIsRefused() {
        var file = new GgufFile()
                .string("general.architecture", "qwen2")
                .integer("qwen2.block_count", 1)
                .integer("qwen2.embedding_length", 64)
                .integer("qwen2.attention.head_count", 2)
                .integer("qwen2.feed_forward_length", 128)
                .integer("qwen2.context_length", 128)
                .number("qwen2.attention.layer_norm_rms_epsilon", 1e-5f)
                .floats("token_embd.weight", new float[10 * 64], 64, 10);
        for (var vector : List.of("attn_norm", "ffn_norm")) {
            file.floats("blk.0." + vector + ".weight", new float[64], 64);
        }
        for (var matrix : List.of("attn_q", "attn_k", "attn_v")) {
            file.floats("blk.0." + matrix + ".weight", new float[64 * 64], 64, 64);
        }
        assertRefused(file, "tensor blk.0.attn_q.bias is missing among 6 tensors");
    }

    /// As ints, the heads' values together would be 8192, and the C++ layers would write outside their buffers.
    @Test
    void sizesWhoseProductIsTooLargeAreRefused() {
        assertRefused(manyHeads(), "524289 heads of 8192 values are 4294975488 together; the limit is 1048576");
    }

    private static GgufFile manyHeads() {
        return new GgufFile()
                .string("general.architecture", "llama")
                .integer("llama.block_count", 1)
                .integer("llama.embedding_length", 64)
                .integer("llama.attention.head_count", 524_289)
                .integer("llama.attention.head_count_kv", 1)
                .integer("llama.attention.key_length", 8192)
                .integer("llama.attention.value_length", 8192)
                .integer("llama.feed_forward_length", 128)
                .integer("llama.context_length", 128)
                .number("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .floats("token_embd.weight", new float[10 * 64], 64, 10);
    }

    @Test
    void aLinearScalingBelowOneIsRefused() {
        assertRefused(
                tiny().file.number("llama.rope.scaling.factor", 0.5f),
                "metadata llama.rope.scaling.factor is 0.5; it must be at least 1");
    }

    @Test
    void aFactorOfZeroIsNoScaling() throws Exception {
        TinyLlama.load(tiny().file.number("llama.rope.scaling.factor", 0), directory, DecoderOptions.cpu(1))
                .close();
    }

    @Test
    void rotationsHaveAStrengthAboveZero() throws Exception {
        assertRefused(
                tiny().file.number("llama.rope.scaling.attn_factor", 0),
                "metadata llama.rope.scaling.attn_factor is 0.0; it must be above 0");
        TinyLlama.load(tiny().file.number("llama.rope.scaling.attn_factor", 1.3f), directory, DecoderOptions.cpu(1))
                .close();
    }

    @Test
    void textsThatNobodyReadsMayBeAnyBytes() throws Exception {
        byte[] latin1 = {1, 0, 0, 0, 0, 0, 0, 0, (byte) 0xE9};
        var file = tiny().file.raw("general.description", 8, latin1);
        TinyLlama.load(file, directory, DecoderOptions.cpu(1)).close();
    }

    @Test
    void anUnknownScalingIsRefused() {
        assertRefused(
                tiny().file.string("llama.rope.scaling.type", "twisted"),
                "metadata llama.rope.scaling.type is twisted; supported: none, linear, yarn, longrope");
    }

    @Test
    void expertsAreCountedBeforeTheySizeAnything() {
        assertRefused(tiny().file.integer("llama.expert_count", 8), "metadata llama.expert_used_count is missing");
        assertRefused(
                tiny().file.integer("llama.expert_count", 8).integer("llama.expert_used_count", 9),
                "metadata llama.expert_used_count is 9; expected 1 to 8");
        assertRefused(
                tiny().file.integer("llama.expert_count", 1 << 20).integer("llama.expert_used_count", 1),
                "metadata llama.expert_count is 1048576; expected 1 to 4096");
    }

    @Test
    void headsThatDoNotShareTheKeysEvenlyAreRefused() {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .integer("llama.block_count", 1)
                .integer("llama.embedding_length", 64)
                .integer("llama.context_length", 64)
                .integer("llama.attention.head_count", 4)
                .integer("llama.attention.head_count_kv", 3);
        assertRefused(file, "metadata llama.attention.head_count is 4; it must be a multiple of the 3 key-value heads");
    }

    @Test
    void aTensorOfAnotherShapeIsRefusedWithBothShapes() {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .integer("llama.block_count", 1)
                .integer("llama.embedding_length", 64)
                .integer("llama.attention.head_count", 2)
                .integer("llama.feed_forward_length", 128)
                .integer("llama.context_length", 128)
                .number("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .floats("token_embd.weight", new float[10 * 64], 64, 10)
                .floats("blk.0.attn_norm.weight", new float[32], 32);
        assertRefused(file, "tensor blk.0.attn_norm.weight has shape [32]; the metadata asks for [64] (columns first)");
    }

    @Test
    void aMissingTensorIsRefused() {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .integer("llama.block_count", 1)
                .integer("llama.embedding_length", 64)
                .integer("llama.attention.head_count", 2)
                .integer("llama.feed_forward_length", 128)
                .integer("llama.context_length", 128)
                .number("llama.attention.layer_norm_rms_epsilon", 1e-5f)
                .floats("token_embd.weight", new float[10 * 64], 64, 10);
        assertRefused(file, "tensor blk.0.attn_norm.weight is missing among 1 tensors");
    }

    @Test
    void aWeightThatIsNotANumberIsRefused() {
        var tiny = new TinyLlama(TensorType.F32, 128, 192, false, new Random(1));
        var weights = new float[192 * 64];
        weights[100] = Float.NaN;
        tiny.file.floats("output.weight", weights, 64, 192);
        var problem = assertThrows(
                ModelFileException.class, () -> TinyLlama.load(tiny.file, directory, DecoderOptions.cpu(1)));
        assertTrue(problem.toString().contains("tensor output.weight"), problem::toString);
    }

    private static TinyLlama tiny() {
        return TinyLlama.of(TensorType.Q8_0, new Random(1));
    }

    private void assertRefused(GgufFile file, String problem) {
        var thrown =
                assertThrows(ModelFileException.class, () -> TinyLlama.load(file, directory, DecoderOptions.cpu(1)));
        assertEquals("tiny.gguf: " + problem, thrown.getMessage());
    }
}
