package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

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
    void aNumberThatIsTooLargeForJsonIsRefused() {
        for (var number : new String[] {"1e400", "-1e400"}) {
            assertEquals(
                    "id is " + (number.startsWith("-") ? "-" : "") + "Infinity; it must be a string or a finite number",
                    assertThrows(RequestException.class, () -> of("{\"id\":" + number + "}"))
                            .error()
                            .message());
        }
    }
}
