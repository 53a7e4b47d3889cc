package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.annotation.JsonProperty;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.sampling.SamplingParameters;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

/// The starter model against figures of transformers in float32, which `golden_decoder.py` writes.
class GoldenDecoderTest {
    private record Case(
            String prompt,
            int[] ids,
            int[] greedy,
            @JsonProperty("logit_ids") int[] logitIds,
            float[] logits) {}

    private static final DecoderOptions EXACT =
            new DecoderOptions(Precision.FP32, Precision.AUTO, 2, 512, 0, "cpu", false);

    @Test
    void float32GivesTheTokensAndLogitsOfTransformers() throws Exception {
        try (var decoder = StarterModel.load(EXACT)) {
            for (var golden : cases()) {
                assertLogits(golden, decoder.prefillLogits(1, golden.ids(), 0), 1e-3f);
                assertArrayEquals(golden.greedy(), greedy(decoder, golden), golden.prompt());
            }
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

    private static int[] greedy(TorchDecoder decoder, Case golden) {
        var ids = new int[golden.greedy().length];
        ids[0] = decoder.prefillLast(0, golden.ids(), 0, SamplingParameters.greedy());
        var batch = new DecodeBatch(2);
        for (var i = 1; i < ids.length; i++) {
            batch.clear();
            batch.add(ids[i - 1], golden.ids().length + i - 1, SamplingParameters.greedy());
            ids[i] = decoder.decode(batch, 1)[0];
        }
        return ids;
    }

    private static List<Case> cases() throws IOException {
        try (var stream = GoldenDecoderTest.class.getResourceAsStream("/golden/decoder.json")) {
            var cases = List.of(new ObjectMapper().readValue(stream, Case[].class));
            assertTrue(cases.size() >= 5, "golden prompts: " + cases.size());
            return cases;
        }
    }
}
