package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.weights.GgufFile;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/// Tiny models of each architecture against figures of transformers in float32, which `golden_architectures.py`
/// writes.
class GoldenArchitecturesTest {
    private record Golden(
            String name,
            Map<String, Object> metadata,
            List<GoldenWeights> tensors,
            float[] factors,
            int[] ids,
            int[] greedy,
            float[] logits) {
        @Override
        public String toString() {
            return name;
        }
    }

    @TempDir
    private Path directory;

    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void float32GivesTheTokensAndLogitsOfTransformers(Golden golden, ProgramKind program) throws Exception {
        try (var decoder = load(golden, program, Precision.FP32, false)) {
            assertArrayEquals(golden.logits(), decoder.prefillLogits(0, golden.ids(), 0), 1e-3f);
            assertArrayEquals(golden.greedy(), greedy(decoder, golden, 1));
            assertArrayEquals(golden.greedy(), greedy(decoder, golden, 3));
        }
    }

    /// bfloat16 weights and cache; the figures are those of the exact model.
    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void theDefaultIsClose(Golden golden, ProgramKind program) throws Exception {
        try (var decoder = load(golden, program, Precision.AUTO, false)) {
            var logits = decoder.prefillLogits(0, golden.ids(), 0);
            double distance = 0, length = 0;
            for (var i = 0; i < logits.length; i++) {
                distance += Math.pow(golden.logits()[i] - logits[i], 2);
                length += Math.pow(golden.logits()[i], 2);
            }
            assertEquals(0, Math.sqrt(distance / length), 0.05);
        }
    }

    @ParameterizedTest
    @MethodSource("goldensAndPrograms")
    void deterministicRowsAreThoseOfASequenceAlone(Golden golden, ProgramKind program) throws Exception {
        try (var decoder = load(golden, program, Precision.AUTO, true)) {
            for (var slot = 0; slot < 3; slot++) {
                decoder.prefill(slot, golden.ids(), 0);
            }
            var at = golden.ids().length;
            var alone = decoder.decodeLogits(new int[] {5}, new int[] {at});
            var together = decoder.decodeLogits(new int[] {5, 9, 5}, new int[] {at, at - 7, at});
            var size = alone.length;
            assertArrayEquals(alone, Arrays.copyOf(together, size));
            assertArrayEquals(alone, Arrays.copyOfRange(together, 2 * size, 3 * size));
        }
    }

    /// Of so many sequences that are the same.
    private static int[] greedy(TorchDecoder decoder, Golden golden, int rows) {
        var sampling = SamplingParameters.greedy();
        var ids = new int[golden.greedy().length];
        for (var slot = 0; slot < rows; slot++) {
            ids[0] = decoder.prefillLast(slot, golden.ids(), 0, sampling);
        }
        var batch = new DecodeBatch(rows);
        for (var i = 1; i < ids.length; i++) {
            batch.clear();
            for (var row = 0; row < rows; row++) {
                batch.add(ids[i - 1], golden.ids().length + i - 1, sampling);
            }
            var next = decoder.decode(batch, 1);
            ids[i] = next[0];
            assertTrue(IntStream.of(next).allMatch(id -> id == next[0]), () -> Arrays.toString(next));
        }
        return ids;
    }

    private TorchDecoder load(Golden golden, ProgramKind program, Precision weights, boolean deterministic)
            throws Exception {
        var file = new GgufFile();
        golden.metadata().forEach((key, value) -> {
            switch (value) {
                case String text -> file.string(key, text);
                case Integer integer -> file.integer(key, integer);
                case Boolean flag -> file.flag(key, flag);
                case Number number -> file.number(key, number.floatValue());
                default -> throw new IllegalArgumentException(key + " is " + value);
            }
        });
        for (var tensor : golden.tensors()) {
            file.floats(tensor.name(), tensor.values(), tensor.shape());
        }
        if (golden.factors().length > 0) {
            file.floats("rope_freqs.weight", golden.factors(), golden.factors().length);
        }
        var options = new DecoderOptions(weights, Precision.AUTO, 3, 0, 1, "cpu", deterministic);
        return TinyLlama.load(file, directory, options, program);
    }

    private static Stream<Arguments> goldensAndPrograms() throws IOException {
        return goldens().stream()
                .flatMap(golden -> Stream.of(ProgramKind.QUANTISED, ProgramKind.DENSE)
                        .map(program -> Arguments.of(golden, program)));
    }

    private static List<Golden> goldens() throws IOException {
        try (var stream = GoldenArchitecturesTest.class.getResourceAsStream("/golden/architectures.json")) {
            return List.of(new ObjectMapper().readValue(stream, Golden[].class));
        }
    }
}
