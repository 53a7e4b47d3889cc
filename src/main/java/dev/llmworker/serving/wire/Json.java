package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.text.WholeCharacters;
import java.nio.charset.StandardCharsets;

/// Writes JSON that every client can read. Half a surrogate pair in a text becomes U+FFFD, because UTF-8 has no form
/// for it. The line ends of Unicode are escaped, because some clients split server-sent events at them.
public final class Json {
    private static final ObjectMapper MAPPER = JsonMapper.builder()
            .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS, DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
            .build();

    private static final char ASCII = 0x7f;

    private Json() {}

    /// @param value a `Map`, a `List`, a `String`, a number, a boolean, null, or a tree of Jackson
    public static String text(Object value) {
        try {
            return sound(MAPPER.writeValueAsString(value));
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(value.getClass() + " has no form in JSON", e);
        }
    }

    /// Reads JSON that is not a client's. Its numbers can be written again with all their digits.
    public static JsonNode tree(String json) throws JsonProcessingException {
        return MAPPER.readTree(json);
    }

    /// As [#text(Object)], in UTF-8.
    public static byte[] bytes(Object value) {
        return text(value).getBytes(StandardCharsets.UTF_8);
    }

    /// JSON that was written elsewhere, with its texts as this class writes them. Only texts can hold these characters.
    public static String sound(String json) {
        for (var i = 0; i < json.length(); i++) {
            if (json.charAt(i) > ASCII) {
                return WholeCharacters.wellFormed(json.replace("\u0085", "\\u0085")
                        .replace("\u2028", "\\u2028")
                        .replace("\u2029", "\\u2029"));
            }
        }
        // Most frames of tokens are: one look at each character is enough.
        return json;
    }
}
