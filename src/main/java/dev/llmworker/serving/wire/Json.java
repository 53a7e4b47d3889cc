package dev.llmworker.serving.wire;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdSerializer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/// Writes JSON. Half a surrogate pair in a text becomes U+FFFD, because UTF-8 has no form for it.
public final class Json {
    private static final char REPLACEMENT = '\ufffd';
    private static final ObjectMapper MAPPER =
            new ObjectMapper().registerModule(new SimpleModule().addSerializer(String.class, new WellFormedText()));

    private Json() {}

    /// @param value a `Map`, a `List`, a `String`, a number, a boolean or null
    public static String text(Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException(value.getClass() + " has no form in JSON", e);
        }
    }

    /// As [#text(Object)], in UTF-8.
    public static byte[] bytes(Object value) {
        return text(value).getBytes(StandardCharsets.UTF_8);
    }

    /// The text with U+FFFD for each half of a surrogate pair; the text itself if it has none.
    static String wellFormed(String text) {
        StringBuilder replaced = null;
        for (var i = 0; i < text.length(); i++) {
            var c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                continue;
            }
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
                continue;
            }
            if (replaced == null) {
                replaced = new StringBuilder(text);
            }
            replaced.setCharAt(i, REPLACEMENT);
        }
        return replaced == null ? text : replaced.toString();
    }

    private static final class WellFormedText extends StdSerializer<String> {
        private static final long serialVersionUID = 1;

        WellFormedText() {
            super(String.class);
        }

        @Override
        public void serialize(String text, JsonGenerator json, SerializerProvider provider) throws IOException {
            json.writeString(wellFormed(text));
        }
    }
}
