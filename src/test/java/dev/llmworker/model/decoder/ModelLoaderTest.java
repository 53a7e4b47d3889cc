package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.NativeLibrary;
import dev.llmworker.model.architecture.Architectures;
import dev.llmworker.model.device.DeviceMemory;
import dev.llmworker.model.device.Libtorch;
import dev.llmworker.model.device.Precision;
import dev.llmworker.model.loading.UnpackedCopies;
import dev.llmworker.weights.Gguf;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The cache is sized once the weights are loaded, by what is really free.
class ModelLoaderTest {
    private static final DecoderOptions OPTIONS =
            new DecoderOptions(Precision.AUTO, Precision.FP32, 4, 0, 1, "cpu", false);
    /// What the plan keeps for the work itself on a CPU.
    private static final long WORKING_BYTES = 256L << 20;

    @TempDir
    private Path directory;

    private final TinyLlama tiny = TinyLlama.of(TensorType.Q8_0, new Random(8));
    private final int[] ids = new Random(9).ints(50, 0, 192).toArray();

    /// @param available after the weights
    private ModelLoader.Loaded load(DecoderProgram program, long available) throws Exception {
        try (var model = Gguf.open(tiny.file.write(directory.resolve("tiny.gguf")))) {
            var described = Architectures.describe(model);
            var cpu = DeviceMemory.of(Device.cpu());
            return new ModelLoader(
                            model,
                            described,
                            OPTIONS,
                            Device.cpu(),
                            program,
                            () -> new DeviceMemory(cpu.total(), available, "the GPU"))
                    .load(_ -> {});
        }
    }

    @Test
    void theContextIsWhatTheWeightsReallyLeave() throws Exception {
        Libtorch.await();
        float[] expected;
        try (var program = ProgramKind.DENSE.open(Device.cpu(), 1)) {
            assertEquals(512, load(program, Long.MAX_VALUE / 4).description().contextLength());
            expected = program.prefillLogits(ids, 0, 0);
        }
        var free = WORKING_BYTES + (3 << 20);
        while (!loads(free)) {
            free += 1 << 20;
            assertTrue(free < 2L * WORKING_BYTES, "nothing fits into " + free + " bytes");
        }
        try (var program = ProgramKind.DENSE.open(Device.cpu(), 1)) {
            var loaded = load(program, free).description();
            var length = loaded.contextLength();
            assertTrue(length >= 64 && length < 512, loaded.toString());
            // Pages of 256 tokens for one sequence, and one that belongs to none.
            assertTrue(loaded.kvCacheBytes() >= (Math.ceilDiv(length, 256) + 1) * 256L * 1024, loaded.toString());
            assertArrayEquals(expected, program.prefillLogits(ids, 3, 0));
        }
    }

    /// Rows of layers may get another order on a CPU. Queries, keys and values are then copied together.
    @Test
    void copiesOfLayersAreCountedOnACpu() throws Exception {
        try (var model = Gguf.open(tiny.file.write(directory.resolve("tiny.gguf")))) {
            var config = Architectures.describe(model);
            model.tensors().forEach((name, tensor) -> {
                long copies = UnpackedCopies.bytesForCpu(name, tensor, config);
                assertEquals(name.startsWith("blk.") ? 3 * tensor.bytes() : 0, copies, name);
            });
        }
    }

    private boolean loads(long free) throws Exception {
        try (var program = ProgramKind.DENSE.open(Device.cpu(), 1)) {
            load(program, free);
            return true;
        } catch (IllegalArgumentException e) {
            assertTrue(String.valueOf(e.getMessage()).contains("does not fit"), e.getMessage());
            return false;
        }
    }

    /// The parts of a step that failed wait in the program, until it forgets them.
    @ParameterizedTest
    @EnumSource
    void aStepThatFailedLeavesNoPartsOfPrompts(ProgramKind kind) throws Exception {
        Libtorch.await();
        assertNull(NativeLibrary.problem());
        try (var program = kind.open(Device.cpu(), 1)) {
            load(program, Long.MAX_VALUE / 4);
            program.prefill(ids, 2, 0);
            var expected = program.decodeLogits(new int[] {1, 1, 1}, new int[] {0, 0, ids.length});
            program.prefill(ids, 2, 0);
            program.addChunk(new PromptPart(2, new int[] {7, 8, 9}, 0));
            program.clearChunks();
            var found = program.decodeLogits(new int[] {1, 1, 1}, new int[] {0, 0, ids.length});
            assertArrayEquals(expected, found);
        }
    }

    @Test
    void aCacheThatDoesNotFitBesideTheWeightsIsRefused() throws Exception {
        Libtorch.await();
        try (var program = ProgramKind.DENSE.open(Device.cpu(), 1)) {
            var refused = assertThrows(IllegalArgumentException.class, () -> load(program, WORKING_BYTES / 2));
            assertTrue(String.valueOf(refused.getMessage()).startsWith("the model does not fit: its weights take "));
        }
    }

    /// The other programs take their cache before the weights.
    @Test
    void aProgramThatTakesItsCacheFirstIsPlannedOnce() throws Exception {
        Libtorch.await();
        try (var program = ProgramKind.QUANTISED.open(Device.cpu(), 1)) {
            assertEquals(512, load(program, 1).description().contextLength());
        }
    }
}
