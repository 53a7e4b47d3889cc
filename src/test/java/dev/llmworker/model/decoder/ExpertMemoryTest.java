package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.GgufFile;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Concurrent
class ExpertMemoryTest {
    private static final int HIDDEN = 64;
    private static final int WIDTH = 256;
    private static final int VOCABULARY = 64;

    @TempDir
    private Path directory;

    @Test
    void expertsAreUnpackedOneByOneSoMoreOfThemTakeNoMoreWorkingMemory() throws Exception {
        assertEquals(workingBytes(2), workingBytes(8));
    }

    private long workingBytes(int experts) throws Exception {
        try (var model = Gguf.open(file(experts).write(directory.resolve("experts.gguf")))) {
            return ModelSummary.of(model, DecoderOptions.cpu(1)).memory().working();
        }
    }

    private static GgufFile file(int experts) {
        var file = new GgufFile()
                .string("general.architecture", "llama")
                .integer("llama.block_count", 1)
                .integer("llama.embedding_length", HIDDEN)
                .integer("llama.attention.head_count", 2)
                .integer("llama.feed_forward_length", WIDTH)
                .integer("llama.context_length", 128)
                .integer("llama.expert_count", experts)
                .integer("llama.expert_used_count", 2)
                .number("llama.attention.layer_norm_rms_epsilon", 1e-5f);
        zeros(file, "token_embd", HIDDEN, VOCABULARY);
        zeros(file, "output_norm", HIDDEN);
        for (var norm : List.of("attn_norm", "ffn_norm")) {
            zeros(file, "blk.0." + norm, HIDDEN);
        }
        for (var matrix : List.of("attn_q", "attn_k", "attn_v", "attn_output")) {
            zeros(file, "blk.0." + matrix, HIDDEN, HIDDEN);
        }
        zeros(file, "blk.0.ffn_gate_inp", HIDDEN, experts);
        zeros(file, "blk.0.ffn_gate_exps", HIDDEN, WIDTH, experts);
        zeros(file, "blk.0.ffn_up_exps", HIDDEN, WIDTH, experts);
        zeros(file, "blk.0.ffn_down_exps", WIDTH, HIDDEN, experts);
        return file;
    }

    private static void zeros(GgufFile file, String name, int... shape) {
        var elements = 1;
        var sizes = new long[shape.length];
        for (var i = 0; i < shape.length; i++) {
            elements *= shape[i];
            sizes[i] = shape[i];
        }
        file.floats(name + ".weight", new float[elements], sizes);
    }
}
