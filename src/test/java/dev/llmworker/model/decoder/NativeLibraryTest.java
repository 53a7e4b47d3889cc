package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Kernels;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// What the border between Java, TorchScript and C++ does with errors, and that both sides agree.
class NativeLibraryTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void needsTheLibrary() throws InterruptedException {
        Libtorch.await();
        MachineNeeds.nativeLibrary();
    }

    @Test
    void aSecondRegistrationIsRefusedWithAMessageAndTheFirstOneStays() throws Exception {
        for (var i = 0; i < 2; i++) {
            assertEquals(
                    "its operators cannot be registered: libtorch failed to open the namespace llmworker; it may be"
                            + " registered already",
                    assertThrows(IOException.class, NativeLibrary::register).getMessage());
        }
        try (var decoder = tiny().load(directory, options())) {
            assertEquals(203, decoder.prefillLogits(0, new int[] {1, 2, 3}, 0).length);
        }
    }

    @Test
    void anExceptionOfAnOperatorReachesJavaAndTheProcessGoesOn() throws Exception {
        try (var program = new ExportedProgram("native.pt", Device.cpu(), 1)) {
            for (var i = 0; i < 2; i++) {
                var refused = assertThrows(RuntimeException.class, () -> program.run("use_threads", 2));
                assertTrue(
                        String.valueOf(refused.getMessage()).contains("the decoder is not open"), refused::getMessage);
            }
        }
    }

    @Test
    void bothSidesHaveTheSameSchemas() throws Exception {
        var operators = Files.readString(Path.of("src/main/native/ops.cpp"));
        var schemas = Pattern.compile("^(\\w+)\\((Tensor.*)\\) -> \\(\\)$", Pattern.MULTILINE)
                .matcher(Files.readString(Path.of("src/main/torchscript/native_decoder.py")));
        var found = 0;
        for (; schemas.find(); found++) {
            var row = "{\"" + schemas.group(1) + "\", \"" + schemas.group(2) + "\",";
            assertTrue(operators.contains(row), () -> "ops.cpp lacks " + row);
        }
        assertEquals(operators.split("kernel<\\w+>}", -1).length - 1, found);
    }

    private static TinyLlama tiny() {
        return new TinyLlama(TensorType.Q4_1, 96, 203, false, new Random(257));
    }

    private static DecoderOptions options() {
        return new DecoderOptions(Precision.AUTO, Precision.AUTO, 4, 64, 1, "cpu", false).with(Kernels.NATIVE);
    }
}
