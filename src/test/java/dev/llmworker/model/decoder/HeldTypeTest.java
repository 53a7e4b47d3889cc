package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.HeldType;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What becomes of each type of a file.
@Concurrent
class HeldTypeTest {
    @TempDir
    private Path directory;

    @Test
    void eachTypeIsNamedWithItsBytesAndWithWhatWouldBeFaster() throws Exception {
        MachineNeeds.nativeLibrary();
        var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, 1, 64, 1, "cpu", false).with(Kernels.NATIVE);
        assertEquals(
                List.of(
                        "Q3_K: 0.5 million in 8 tensors, held as 4-bit codes: 0.63 bytes each",
                        "Q8_0: 0.2 million in 6 tensors, held as 8-bit quants: 1.06 bytes each; Q4_0 would take 0.56,"
                                + " and be faster",
                        "Q6_K: 0.0 million in 1 tensor, held as an embedding: 0.82 bytes each",
                        "IQ4_XS: 0.0 million in 1 tensor, held as 4-bit codes: 0.56 bytes each",
                        "F32: 0.0 million in 5 tensors, held as fp32: 4.00 bytes each"),
                held(options));
    }

    @Test
    void aDenseProgramHoldsAllAlike() throws Exception {
        var options = new DecoderOptions(Precision.FP32, Precision.AUTO, 1, 64, 1, "cpu", false);
        var held = held(options);
        assertTrue(held.getFirst().endsWith("held as fp32: 4.00 bytes each"), held.toString());
    }

    /// One small matrix of another type.
    @Test
    void nothingIsFasterForWhatAStepHardlyReads() throws Exception {
        MachineNeeds.nativeLibrary();
        var options = new DecoderOptions(Precision.AUTO, Precision.AUTO, 1, 64, 1, "cpu", false).with(Kernels.NATIVE);
        var held = held(options, name -> name.equals("blk.0.attn_k.weight") ? TensorType.Q8_0 : TensorType.Q3_K);
        var small = held.stream().filter(text -> text.startsWith("Q8_0")).findFirst();
        assertTrue(small.orElseThrow().endsWith("1.06 bytes each"), held.toString());
    }

    private List<String> held(DecoderOptions options) throws Exception {
        return held(options, HeldTypeTest::type);
    }

    private List<String> held(DecoderOptions options, Function<String, TensorType> types) throws Exception {
        var tiny = TinyLlama.mixed(types, new Random(7));
        try (var model = Gguf.open(tiny.file.write(directory.resolve("tiny.gguf")))) {
            return ModelSummary.of(model, options).held().stream()
                    .map(HeldType::toString)
                    .toList();
        }
    }

    private static TensorType type(String name) {
        if (name.equals("token_embd.weight")) {
            return TensorType.Q6_K;
        }
        if (name.equals("output.weight")) {
            return TensorType.IQ4_XS;
        }
        return name.contains("ffn") || name.contains("attn_q") ? TensorType.Q3_K : TensorType.Q8_0;
    }
}
