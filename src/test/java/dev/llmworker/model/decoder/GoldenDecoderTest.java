package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.model.DecoderOptions;
import dev.llmworker.model.device.Precision;
import dev.llmworker.sampling.SamplingParameters;
import dev.llmworker.testing.Concurrent;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/// The starter model against figures of transformers in float32, which `golden_decoder.py` writes.
@Concurrent
class GoldenDecoderTest {
    private record Case(
            String prompt,
            int[] ids,
            int[] greedy,
            @JsonProperty("logit_ids") int[] logitIds,
            float[] logits) {}

    @ParameterizedTest
    @EnumSource(names = {"QUANTISED", "DENSE"})
    void float32GivesTheTokensAndLogitsOfTransformers(ProgramKind program) throws Exception {
        var cases = cases();
        var exact = new DecoderOptions(Precision.FP32, Precision.AUTO, cases.size(), 512, 1, "cpu", false);
        try (var decoder = StarterModel.load(exact, program)) {
            for (var golden : cases) {
                assertLogits(golden, decoder.prefillLogits(1, golden.ids(), 0), 1e-3f);
            }
            assertGreedy(decoder, cases);
            assertGreedy(decoder, cases.subList(0, 1));
        }
    }

    @Test
    void quantisedWeightsStayCloseToTransformers() throws Exception {
        try (var decoder = StarterModel.load(DecoderOptions.cpu(2))) {
            for (var golden : cases()) {
                assertLogits(golden, decoder.prefillLogits(0, golden.ids(), 0), 0.6f);
                assertEquals(
                        golden.greedy()[0],
                        decoder.prefillLast(0, golden.ids(), 0, SamplingParameters.greedy()),
                        golden.prompt());
            }
        }
    }

    private static void assertLogits(Case golden, float[] logits, float tolerance) {
        for (var i = 0; i < golden.logits().length; i++) {
            var at = golden.logitIds()[i];
            assertEquals(golden.logits()[i], logits[at], tolerance, golden.prompt() + ", logit of " + at);
        }
    }

    /// Decodes the prompts together.
    private static void assertGreedy(TorchDecoder decoder, List<Case> cases) {
        var length = cases.getFirst().greedy().length;
        var ids = new int[cases.size()][length];
        for (var slot = 0; slot < ids.length; slot++) {
            ids[slot][0] = decoder.prefillLast(slot, cases.get(slot).ids(), 0, SamplingParameters.greedy());
        }
        var batch = new DecodeBatch(ids.length);
        for (var i = 1; i < length; i++) {
            batch.clear();
            for (var slot = 0; slot < ids.length; slot++) {
                batch.add(ids[slot][i - 1], cases.get(slot).ids().length + i - 1, SamplingParameters.greedy());
            }
            var next = decoder.decode(batch, 1);
            for (var slot = 0; slot < ids.length; slot++) {
                ids[slot][i] = next[slot];
            }
        }
        for (var slot = 0; slot < ids.length; slot++) {
            assertArrayEquals(
                    cases.get(slot).greedy(), ids[slot], cases.get(slot).prompt());
        }
    }

    private static List<Case> cases() throws IOException {
        try (var stream = GoldenDecoderTest.class.getResourceAsStream("/golden/decoder.json")) {
            var cases = List.of(new ObjectMapper().readValue(stream, Case[].class));
            assertTrue(cases.size() >= 5, "golden prompts: " + cases.size());
            return cases;
        }
    }
}
