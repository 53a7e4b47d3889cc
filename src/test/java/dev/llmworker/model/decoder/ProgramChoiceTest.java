package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.ModelConfig;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.CpuFeatures;
import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ProgramChoiceTest {
    private final DecoderOptions options = DecoderOptions.cpu(4);

    @TempDir
    private Path folder;

    @Test
    void libtorchDecodesWhereAmxCanBeUsed() {
        assertTrue(ProgramChoice.isTorchFaster(options, true));
        assertFalse(ProgramChoice.isTorchFaster(options, false));
    }

    @Test
    void whatIsAskedForIsNotChosenOtherwise() {
        assertFalse(ProgramChoice.isTorchFaster(options.with(Kernels.NATIVE), true));
    }

    @Test
    void aDeterministicWorkerDecodesNatively() {
        var deterministic = new DecoderOptions(Precision.AUTO, Precision.AUTO, 4, 0, 0, "cpu", true);
        assertFalse(ProgramChoice.isTorchFaster(deterministic, true));
    }

    @Test
    void aCacheOf8BitsNeedsNativeKernels() throws Exception {
        MachineNeeds.nativeLibrary();
        var file =
                new TinyLlama(TensorType.Q4_1, 96, 203, false, new Random(258)).file.write(folder.resolve("tiny.gguf"));
        try (var model = Gguf.open(file)) {
            var config = Architectures.describe(model);
            var q8 = new DecoderOptions(Precision.AUTO, Precision.Q8, 4, 0, 0, "cpu", false);
            assertEquals(ProgramKind.NATIVE, ProgramChoice.of(config, q8, Device.cpu()));
            assertRefused(config, q8.with(Kernels.TORCH), Device.cpu(), "KERNELS is torch");
            assertRefused(config, q8, Device.gpu(), "it is for CPUs");
            var dense = new DecoderOptions(Precision.BF16, Precision.Q8, 4, 0, 0, "cpu", false);
            assertRefused(config, dense, Device.cpu(), "it takes weights as they are stored (DTYPE=auto)");
        }
    }

    private static void assertRefused(ModelConfig config, DecoderOptions options, Device device, String why) {
        var refused = assertThrows(IllegalArgumentException.class, () -> ProgramChoice.of(config, options, device));
        assertEquals(
                "KV_CACHE_DTYPE is q8, which only native kernels have, and they cannot be used: " + why,
                refused.getMessage());
    }

    /// With `avx512_bf16` and without AMX, libtorch's program is the slower one.
    @Test
    void thisMachinesChoiceDependsOnAmxAlone() throws Exception {
        MachineNeeds.nativeLibrary();
        var file =
                new TinyLlama(TensorType.Q4_1, 96, 203, false, new Random(257)).file.write(folder.resolve("tiny.gguf"));
        try (var model = Gguf.open(file)) {
            assertEquals(
                    NativeLibrary.isAmxUsable() ? ProgramKind.QUANTISED : ProgramKind.NATIVE,
                    ProgramChoice.of(Architectures.describe(model), options, Device.cpu()));
        }
        if (!CpuFeatures.read().contains("amx_tile")) {
            assertFalse(NativeLibrary.isAmxUsable());
        }
    }
}
