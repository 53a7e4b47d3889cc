package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import ai.djl.Device;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/// Each quantised type of GGUF is read as the package gguf reads it, to the bit: by libtorch and by the native library.
@Concurrent
class GgufBlocksTest {
    private static final int BLOCKS = 64;

    private static List<TensorType> types() {
        return Arrays.stream(TensorType.values())
                .filter(type -> !type.isPlain())
                .toList();
    }

    /// The programs are opened once for all types, because that takes longest.
    private static List<DecoderProgram> programs() throws IOException, InterruptedException {
        Libtorch.await();
        assertNull(NativeLibrary.problem());
        return List.of(ProgramKind.DENSE.open(Device.cpu(), 1), ProgramKind.NATIVE.open(Device.cpu(), 1));
    }

    @Test
    void blocksBecomeTheNumbersThatThePackageGgufMakesOfThem() throws Exception {
        for (var program : programs()) {
            try (program) {
                for (var type : types()) {
                    var golden = GoldenBlocks.of(type);
                    var expected = golden.floats();
                    var found = numbers(program, type, golden.blocks());
                    assertEquals(expected.length, found.length);
                    for (var i = 0; i < found.length; i++) {
                        // The sign of a zero may differ.
                        assertEquals(bits(expected[i]), bits(found[i]), program + ", " + type + ", element " + i);
                    }
                }
            }
        }
    }

    /// Also of scales that are not finite.
    @Test
    void theNativeLibraryReadsAnyBlockAsLibtorchDoes() throws Exception {
        var programs = programs();
        try (var dense = programs.getFirst();
                var own = programs.getLast()) {
            for (var type : types()) {
                var blocks = new byte[BLOCKS * type.blockBytes()];
                new Random(type.ggufId()).nextBytes(blocks);
                var expected = numbers(dense, type, blocks);
                var found = numbers(own, type, blocks);
                assertEquals(expected.length, found.length);
                for (var i = 0; i < expected.length; i++) {
                    assertEquals(
                            Float.floatToIntBits(expected[i]), Float.floatToIntBits(found[i]), type + ", element " + i);
                }
            }
        }
    }

    private static float[] numbers(DecoderProgram program, TensorType type, byte[] blocks) {
        try (var arena = Arena.ofConfined()) {
            var data = arena.allocateFrom(ValueLayout.JAVA_BYTE, blocks);
            var elements = (long) blocks.length / type.blockBytes() * type.blockElements();
            return program.fileNumbers(new Tensor(Path.of("golden"), "w", type, new long[] {elements}, data));
        }
    }

    private static int bits(float value) {
        return value == 0 ? 0 : Float.floatToRawIntBits(value);
    }
}
