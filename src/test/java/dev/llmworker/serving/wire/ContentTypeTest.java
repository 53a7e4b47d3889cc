package dev.llmworker.serving.wire;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

class ContentTypeTest {
    @ParameterizedTest
    @NullSource
    @ValueSource(
            strings = {
                "",
                " \t",
                "application/json",
                "Application/JSON",
                "text/json",
                "text/plain",
                "application/x-www-form-urlencoded",
                "application/vnd.api+json",
                "application/json;",
                "application/json; ; charset=utf-8",
                "application/json; charset=utf-8",
                "application/json;charset=UTF-8",
                "application/json;\tcharset=\"utf-8\"",
                "application/json; Charset = utf-8 ",
                "application/json; charset='utf-8'",
                "application/json; charset=utf8",
                "application/json; charset=unicode-1-1-utf-8",
                "application/json; charset=",
                "application/json; charset=\"\"",
                "application/json; charset=ascii",
                "application/json; charset=US-ASCII",
                "application/json; x=\"a;charset=latin1\"; charset=utf-8",
            })
    void jsonInUtf8IsTakenHoweverItIsWritten(String value) {
        assertNull(ContentType.refusal(value), value);
    }

    @ParameterizedTest
    @ValueSource(strings = {"latin1", "utf-16", "\"iso-8859-1\"", "windows-1252", "utf-7", "utf"})
    void anotherCharsetIsRefusedWithWhatIsTaken(String charset) {
        var refusal = ContentType.refusal("application/json; charset=" + charset);
        assertNotNull(refusal, charset);
        assertEquals(415, refusal.status());
        assertEquals(
                "charset=" + charset.replace("\"", "") + " is not supported; it must be utf-8 or us-ascii",
                refusal.message());
    }

    @Test
    void anotherTypeIsRefusedWithWhatIsTaken() {
        for (var type : new String[] {"text/html", "multipart/form-data; boundary=x", "application/xml", "json"}) {
            var refusal = ContentType.refusal(type);
            assertNotNull(refusal, type);
            assertEquals(415, refusal.status());
            assertEquals("Content-Type is \"" + type + "\"; it must be application/json", refusal.message());
        }
    }
}
