package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;

import ai.djl.Device;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// Each quantised type of GGUF is read as the package gguf reads it, to the bit.
@Concurrent
class GgufBlocksTest {
    @ParameterizedTest
    @EnumSource(
            mode = EnumSource.Mode.EXCLUDE,
            names = {"F32", "F16", "BF16"})
    void blocksBecomeTheNumbersThatThePackageGgufMakesOfThem(TensorType type) throws Exception {
        Libtorch.await();
        var golden = GoldenBlocks.of(type);
        var expected = golden.floats();
        try (var arena = Arena.ofConfined();
                var program = ProgramKind.DENSE.open(Device.cpu(), 1)) {
            var data = arena.allocateFrom(ValueLayout.JAVA_BYTE, golden.blocks());
            var tensor = new Tensor(Path.of("golden"), "w", type, new long[] {expected.length}, data);
            var found = program.fileNumbers(tensor);
            assertEquals(expected.length, found.length);
            for (var i = 0; i < found.length; i++) {
                // The sign of a zero may differ.
                assertEquals(bits(expected[i]), bits(found[i]), type + ", element " + i);
            }
        }
    }

    private static int bits(float value) {
        return value == 0 ? 0 : Float.floatToRawIntBits(value);
    }
}
