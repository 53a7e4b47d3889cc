package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/// Fields of JSON by their types: what is taken, and what the error says.
class RequestFieldsTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static RequestFields of(String json) throws Exception {
        return new RequestFields(JSON.readValue(json, Map.class));
    }

    private static void assertRefused(String message, Executable reading) {
        assertEquals(
                message, assertThrows(RequestException.class, reading).error().message());
    }

    @Test
    void aFieldThatIsNullCountsAsNotSent() throws Exception {
        var fields = of("{\"a\":null}");
        assertFalse(fields.has("a"));
        assertNull(fields.textOrNull("a"));
        assertEquals(List.of(), fields.texts("a"));
        assertEquals(Map.of(), fields.object("a"));
        assertTrue(fields.flag("a", true));
        assertEquals(0.5f, fields.decimal("a", 0.5f));
        assertEquals(OptionalInt.empty(), fields.whole("a"));
        assertRefused("a is missing; it must be a string", () -> fields.text("a"));
    }

    @Test
    void wholeNumbersMayBeWrittenWithAPoint() throws Exception {
        assertEquals(OptionalInt.of(50), of("{\"a\":50.0}").whole("a"));
        assertEquals(OptionalInt.of(-1), of("{\"a\":-1}").whole("a"));
        assertEquals(OptionalLong.of(1L << 53), of("{\"a\":9007199254740992.0}").wholeLong("a"));
        assertEquals(
                OptionalLong.of(Long.MIN_VALUE),
                of("{\"a\":-9223372036854775808}").wholeLong("a"));
    }

    @Test
    void otherNumbersAreRefusedWithTheirValue() throws Exception {
        var half = of("{\"a\":1.5}");
        assertRefused("a is 1.5; it must be a whole number", () -> half.whole("a"));
        var large = of("{\"a\":2147483648}");
        assertRefused("a is 2147483648; it must be a whole number up to 2147483647", () -> large.whole("a"));
        var larger = of("{\"a\":9223372036854775808}");
        assertRefused(
                "a is 9223372036854775808; it must be a whole number of at most 64 bits", () -> larger.whole("a"));
        var inexact = of("{\"a\":1e300}");
        assertRefused("a is 1.0E300; it must be a whole number", () -> inexact.whole("a"));
    }

    @Test
    void anotherTypeIsNamedAndLongTextIsShortened() throws Exception {
        var fields = of("{\"list\":[1],\"object\":{},\"flag\":true,\"text\":\"" + "x".repeat(50) + "\"}");
        assertRefused("list is a list; it must be a string", () -> fields.text("list"));
        assertRefused("object is an object; it must be true or false", () -> fields.flag("object", false));
        assertRefused("flag is true; it must be a number", () -> fields.decimal("flag", 0));
        assertRefused("text is \"" + "x".repeat(40) + "…\"; it must be an object", () -> fields.object("text"));
        assertRefused("list[0] is 1; it must be a string", () -> fields.texts("list"));
        assertRefused("flag is true; it must be a string or a list of strings", () -> fields.texts("flag"));
    }

    @Test
    void textMustBeWholeCharacters() {
        assertEquals("🦀", new RequestFields(Map.of("a", "🦀")).text("a"));
        for (var broken : List.of("x\ud83e", "x\udd80", "x\udd80\ud83e")) {
            var fields = new RequestFields(Map.of("a", broken));
            var message = "a has half a surrogate pair at 1; it must be valid Unicode";
            assertRefused(message, () -> fields.text("a"));
            assertRefused(message, () -> fields.textOrNull("a"));
            assertRefused(message, () -> fields.texts("a"));
        }
        assertRefused(
                "a is empty; it must be at least 1 character", () -> new RequestFields(Map.of("a", "")).text("a"));
    }
}
