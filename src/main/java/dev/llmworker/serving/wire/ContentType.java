package dev.llmworker.serving.wire;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The `Content-Type` of a request. Bodies are JSON in UTF-8, whatever type a bare `curl -d` declares.
public final class ContentType {
    private static final Set<String> JSON_TYPES =
            Set.of("application/json", "text/json", "application/x-www-form-urlencoded", "text/plain");

    /// The labels of UTF-8 in the WHATWG's encoding standard, and names of ASCII, whose texts are UTF-8 too.
    private static final Set<String> CHARSETS = Set.of(
            "",
            "utf-8",
            "utf8",
            "unicode-1-1-utf-8",
            "unicode11utf8",
            "unicode20utf8",
            "x-unicode20utf8",
            "us-ascii",
            "ascii",
            "ansi_x3.4-1968",
            "iso646-us");

    private ContentType() {}

    /// @param value of the header; null or blank if the client does not say
    /// @return null if a body of this type can be read
    public static @Nullable JsonError refusal(@Nullable String value) {
        if (value == null || value.isBlank()) {
            return null;
        }
        var parts = HeaderLists.split(value, ';');
        var type = HeaderLists.trimmed(parts.getFirst()).toLowerCase(Locale.ROOT);
        if (!isJson(type)) {
            return unsupported(
                    "Content-Type is \"" + RequestFields.shortened(value) + "\"; it must be application/json");
        }
        for (var part : parts.subList(1, parts.size())) {
            var equals = part.indexOf('=');
            if (equals >= 0 && HeaderLists.trimmed(part.substring(0, equals)).equalsIgnoreCase("charset")) {
                var charset = unquoted(HeaderLists.trimmed(part.substring(equals + 1)));
                if (!CHARSETS.contains(charset.toLowerCase(Locale.ROOT))) {
                    return unsupported("charset=" + RequestFields.shortened(charset)
                            + " is not supported; it must be utf-8 or us-ascii");
                }
            }
        }
        return null;
    }

    private static boolean isJson(String type) {
        return JSON_TYPES.contains(type) || (type.startsWith("application/") && type.endsWith("+json"));
    }

    /// Some clients put a charset in single quotes, which HTTP does not have.
    private static String unquoted(String charset) {
        for (var quote : new String[] {"\"", "'"}) {
            if (charset.length() > 1 && charset.startsWith(quote) && charset.endsWith(quote)) {
                return HeaderLists.trimmed(charset.substring(1, charset.length() - 1));
            }
        }
        return charset;
    }

    private static JsonError unsupported(String message) {
        return JsonError.of(415, "unsupported_media_type", message);
    }
}
