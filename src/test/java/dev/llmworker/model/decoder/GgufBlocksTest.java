package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import ai.djl.Device;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/// Each quantised type of GGUF is read as the package gguf reads it, to the bit: by libtorch and by the native library.
class GgufBlocksTest {
    private static final int BLOCKS = 64;

    private static Stream<TensorType> types() {
        return Arrays.stream(TensorType.values()).filter(type -> !type.isPlain());
    }

    @Concurrent
    @ParameterizedTest
    @MethodSource("types")
    void blocksBecomeTheNumbersThatThePackageGgufMakesOfThem(TensorType type) throws Exception {
        var golden = GoldenBlocks.of(type);
        var expected = golden.floats();
        for (var kind : List.of(ProgramKind.DENSE, ProgramKind.NATIVE)) {
            var found = numbers(kind, type, golden.blocks());
            assertEquals(expected.length, found.length);
            for (var i = 0; i < found.length; i++) {
                // The sign of a zero may differ.
                assertEquals(bits(expected[i]), bits(found[i]), kind + ", " + type + ", element " + i);
            }
        }
    }

    /// Also of scales that are not finite.
    @Concurrent
    @ParameterizedTest
    @MethodSource("types")
    void theNativeLibraryReadsAnyBlockAsLibtorchDoes(TensorType type) throws Exception {
        var blocks = new byte[BLOCKS * type.blockBytes()];
        new Random(type.ggufId()).nextBytes(blocks);
        var expected = numbers(ProgramKind.DENSE, type, blocks);
        var found = numbers(ProgramKind.NATIVE, type, blocks);
        for (var i = 0; i < expected.length; i++) {
            assertEquals(
                    Float.floatToIntBits(expected[i]), Float.floatToIntBits(found[i]), type + ", element " + i);
        }
    }

    private static float[] numbers(ProgramKind kind, TensorType type, byte[] blocks) throws Exception {
        Libtorch.await();
        assertNull(NativeLibrary.problem());
        try (var arena = Arena.ofConfined();
                var program = kind.open(Device.cpu(), 1)) {
            var data = arena.allocateFrom(ValueLayout.JAVA_BYTE, blocks);
            var elements = (long) blocks.length / type.blockBytes() * type.blockElements();
            return program.fileNumbers(new Tensor(Path.of("golden"), "w", type, new long[] {elements}, data));
        }
    }

    private static int bits(float value) {
        return value == 0 ? 0 : Float.floatToRawIntBits(value);
    }
}
