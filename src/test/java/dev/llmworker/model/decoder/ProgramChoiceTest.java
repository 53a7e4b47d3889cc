package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.Precision;
import java.util.Set;
import org.junit.jupiter.api.Test;

class ProgramChoiceTest {
    private static final Set<String> SERVER = Set.of("avx2", "fma", "f16c", "avx512f", "avx512_bf16");
    private static final Set<String> LAPTOP = Set.of("avx2", "fma", "f16c");

    private final DecoderOptions options = DecoderOptions.cpu(4);

    @Test
    void libtorchDecodesWhereTheCpuMultipliesBfloat16() {
        assertTrue(ProgramChoice.isTorchFaster(options, SERVER));
        assertFalse(ProgramChoice.isTorchFaster(options, LAPTOP));
        assertFalse(ProgramChoice.isTorchFaster(options, Set.of()));
    }

    @Test
    void whatIsAskedForIsNotChosenOtherwise() {
        assertFalse(ProgramChoice.isTorchFaster(options.with(Kernels.NATIVE), SERVER));
    }

    @Test
    void aDeterministicWorkerDecodesNatively() {
        var deterministic = new DecoderOptions(Precision.AUTO, Precision.AUTO, 4, 0, 0, "cpu", true);
        assertFalse(ProgramChoice.isTorchFaster(deterministic, SERVER));
    }
}
