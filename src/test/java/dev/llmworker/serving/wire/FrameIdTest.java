package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class FrameIdTest {
    private static @Nullable String of(String json) {
        return FrameId.of(new RequestFields(StrictJson.object(json, "the message")));
    }

    @Test
    void anIdComesBackAsJson() {
        assertEquals("7", of("{\"id\":7}"));
        assertEquals("\"a\\\"\"", of("{\"id\":\"a\\\"\"}"));
    }

    @Test
    void aNumberComesBackCharacterByCharacter() {
        for (var number : new String[] {"1e400", "-1e400", "1.10", "0.1e-400", "-0", "1E+5", "9007199254740993"}) {
            assertEquals(number, of("{\"id\":" + number + "}"));
        }
    }

    @Test
    void aNumberThatIsNotOfJsonIsRefused() {
        var fields = new RequestFields(Map.of("id", Double.POSITIVE_INFINITY));
        assertEquals(
                "id is Infinity; it must be a string or a number",
                assertThrows(RequestException.class, () -> FrameId.of(fields))
                        .error()
                        .message());
    }
}
