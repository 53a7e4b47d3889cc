package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FrameWriterTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @Seeded
    @Test
    void aFrameReadsBackAsTheTokenThatWasWritten() throws Exception {
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(20_000); round++) {
            var token = new StringBuilder();
            for (var i = random.nextInt(6); i > 0; i--) {
                var bits = random.nextInt(17);
                var c = random.nextInt(Math.min(1 << bits, Character.MAX_CODE_POINT)) + 0;
                token.appendCodePoint(Character.isSurrogate((char) c) && c <= 0xffff ? 'x' : c);
            }
            var frame = JSON.readTree(FrameWriter.tokenFrame("{", token.toString(), round));
            assertEquals(token.toString(), frame.path("token").asText(), "seed " + seed);
            assertEquals(round, frame.path("index").asInt());
            assertEquals(2, frame.size());
        }
    }

    @Test
    void lineEndsOfUnicodeAreEscapedByBothWriters() {
        assertEquals(
                "{\"token\":\"a\\u0085b\\u2028c\\u2029\",\"index\":7}",
                FrameWriter.tokenFrame("{", "a\u0085b\u2028c\u2029", 7));
        assertEquals("{\"\\u2028\":[\"\\u0085\ufffd\"]}", Json.text(Map.of("\u2028", List.of("\u0085\ud83d"))));
    }

    @Test
    void whatJsonCannotHoldIsEscapedAndHalfAPairReplaced() {
        assertEquals(
                "{\"token\":\"a\\\"b\\\\c\\n\\t\\r\\u0000\\u001F/é\ufffd😀\",\"index\":7}",
                FrameWriter.tokenFrame("{", "a\"b\\c\n\t\r\u0000\u001f/é\ud83d😀", 7));
    }
}
