package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.HostMemory;
import dev.llmworker.model.device.Precision;
import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.TensorType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// A slot that was copied to main memory and into another slot gives the same logits, bit by bit, by each program and
/// for each kind of layer.
@Concurrent
class SlotCopiesTest {
    private static final long SEED = 137;
    /// Rings of 256 positions are shorter.
    private static final int CONTEXT = 1000;
    private static final int LENGTH = 560;
    private static final String LLAMA = "Llama 3 in BF16, tied";

    @TempDir
    private Path directory;

    private final Random random = new Random(SEED);
    private int vocabulary;

    private static Stream<Arguments> programsAndModels() {
        var stateful = List.of("Qwen 3.5", "Gemma 3", "Gemma 4, shared keys and a second embedding");
        var native8 = Stream.of(LLAMA, "Qwen 3.5", "Gemma 3")
                .map(model -> Arguments.of(ProgramKind.NATIVE, model, Precision.Q8));
        return Stream.concat(native8, inFloats(stateful));
    }

    private static Stream<Arguments> inFloats(List<String> stateful) {
        return Stream.concat(
                Stream.of(ProgramKind.values())
                        .flatMap(kind -> Stream.of(Precision.BF16, Precision.FP32)
                                .map(cache -> Arguments.of(kind, LLAMA, cache))),
                Stream.of(ProgramKind.NATIVE, ProgramKind.DENSE)
                        .flatMap(kind -> stateful.stream().map(model -> Arguments.of(kind, model, Precision.FP32))));
    }

    private TorchDecoder decoder(ProgramKind kind, String model, Precision cache) throws Exception {
        if (kind == ProgramKind.NATIVE) {
            MachineNeeds.nativeLibrary();
        }
        var weights = kind == ProgramKind.NATIVE ? Precision.AUTO : Precision.FP32;
        var options = new DecoderOptions(weights, cache, 3, CONTEXT, 1, "cpu", true);
        var file = GoldenModel.named(model).withContext(2 * CONTEXT).file();
        var decoder = TinyLlama.load(file, directory, options, kind);
        vocabulary = decoder.description().vocabularySize();
        return decoder;
    }

    private int[] ids(int count) {
        return random.ints(count, 0, vocabulary).toArray();
    }

    private record Copy(List<HostMemory> pieces, List<SlotCopies.State> states, List<HostMemory> ofStates)
            implements AutoCloseable {
        @Override
        public void close() {
            pieces.forEach(HostMemory::close);
            ofStates.forEach(HostMemory::close);
        }
    }

    /// In pieces of `step` positions.
    private static Copy copy(SlotCopies copies, int slot, int length, int step) {
        var copy = new Copy(new ArrayList<>(), copies.states(slot), new ArrayList<>());
        for (var start = 0; start < length; start += step) {
            var end = Math.min(start + step, length);
            copy.pieces.add(memory(copies.positionBytes(end - start)));
            copies.readPositions(slot, start, end, copy.pieces.getLast().segment());
        }
        for (var number = 0; number < copy.states.size(); number++) {
            copy.ofStates.add(memory(copies.stateBytes()));
            copies.readState(slot, number, copy.ofStates.getLast().segment());
        }
        return copy;
    }

    private static HostMemory memory(long bytes) {
        return Objects.requireNonNull(HostMemory.allocate(Math.max(1, bytes)));
    }

    /// @param whole positions of the copy
    private static void restore(SlotCopies copies, Copy copy, int whole, int slot, int length, int step) {
        for (var start = 0; start < length; start += step) {
            var piece = copy.pieces.get(start / step);
            copies.writePositions(slot, start, Math.min(start + step, whole), piece.segment());
        }
        for (var number = 0; number < copy.states.size(); number++) {
            var state = copy.states.get(number);
            if (copies.reusable(state, length) == length) {
                copies.writeState(slot, state, length, copy.ofStates.get(number).segment());
                return;
            }
        }
        assertTrue(copy.states.isEmpty(), "no state after " + length + " tokens");
    }

    /// As the scheduler cuts it.
    private static void prefill(TorchDecoder decoder, int slot, int[] ids, int length) {
        var cuts = decoder.prompts();
        for (var start = 0; start < length; ) {
            var end = Math.min(cuts.cutAfter(start), length);
            decoder.prefill(slot, Arrays.copyOfRange(ids, start, end), start);
            start = end;
        }
    }

    @ParameterizedTest
    @MethodSource("programsAndModels")
    void aCopyGoesOnAsTheOriginalDoes(ProgramKind kind, String model, Precision cache) throws Exception {
        try (var decoder = decoder(kind, model, cache)) {
            var copies = Objects.requireNonNull(decoder.copies());
            var prompt = ids(LENGTH);
            var kept = 384;
            prefill(decoder, 1, prompt, kept);
            decoder.keep(1);
            for (var start = kept; start < LENGTH - 20; start += 128) {
                decoder.prefill(1, Arrays.copyOfRange(prompt, start, Math.min(start + 128, LENGTH - 20)), start);
            }
            // The number of positions is no multiple of 8, and pieces end in the middle of blocks.
            var step = 88;
            try (var copy = copy(copies, 1, LENGTH - 20, step)) {
                var end = decoder.prefillLogits(1, Arrays.copyOfRange(prompt, LENGTH - 20, LENGTH), LENGTH - 20);
                prefill(decoder, 1, ids(200), 200);
                prefill(decoder, 2, ids(300), 300);
                restore(copies, copy, LENGTH - 20, 2, LENGTH - 20, step);
                var again = decoder.prefillLogits(2, Arrays.copyOfRange(prompt, LENGTH - 20, LENGTH), LENGTH - 20);
                assertArrayEquals(end, again, "at its end");
                assertEquals(LENGTH, decoder.reusable(2, LENGTH));

                // A shorter prefix, at whose end a state was kept.
                prefill(decoder, 1, prompt, kept);
                var other = ids(40);
                decoder.copySlot(1, 0, kept);
                var expected = decoder.prefillLogits(0, other, kept);
                prefill(decoder, 2, ids(60), 60);
                restore(copies, copy, LENGTH - 20, 2, kept, step);
                assertArrayEquals(expected, decoder.prefillLogits(2, other, kept), "at a position that was kept");
            }
        }
    }

    @Test
    void noCopiesAreMadeWithoutMemory() throws Exception {
        var tiny = TinyLlama.of(TensorType.Q8_0, random);
        var options = DecoderOptions.cpu(2).withCopies(0);
        try (var decoder = tiny.load(directory, options, ProgramKind.DENSE)) {
            assertEquals(null, decoder.copies());
        }
    }

    @Test
    void rangesAndMemoryAreChecked() throws Exception {
        try (var decoder = decoder(ProgramKind.DENSE, LLAMA, Precision.FP32);
                var memory = memory(100)) {
            var copies = Objects.requireNonNull(decoder.copies());
            assertThrows(IllegalArgumentException.class, () -> copies.readPositions(0, 4, 8, memory.segment()));
            assertThrows(IllegalArgumentException.class, () -> copies.writePositions(0, 0, 8, memory.segment()));
        }
    }
}
