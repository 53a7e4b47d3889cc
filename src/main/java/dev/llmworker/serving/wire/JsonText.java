package dev.llmworker.serving.wire;

/// JSON written by hand, for the one frame that is written for each token.
final class JsonText {
    private static final char REPLACEMENT = '\ufffd';
    private static final String HEX = "0123456789abcdef";

    private JsonText() {}

    /// Appends `text` as the inside of a JSON string. Half a surrogate pair becomes U+FFFD, as UTF-8 has no form for
    /// it.
    static void escape(String text, StringBuilder json) {
        var written = 0;
        for (var i = 0; i < text.length(); i++) {
            var c = text.charAt(i);
            if (c >= ' ' && c != '"' && c != '\\' && !Character.isSurrogate(c)) {
                continue;
            }
            if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
                continue;
            }
            json.append(text, written, i);
            written = i + 1;
            special(c, json);
        }
        json.append(text, written, text.length());
    }

    private static void special(char c, StringBuilder json) {
        switch (c) {
            case '"' -> json.append("\\\"");
            case '\\' -> json.append("\\\\");
            case '\n' -> json.append("\\n");
            case '\r' -> json.append("\\r");
            case '\t' -> json.append("\\t");
            default -> {
                if (c < ' ') {
                    json.append("\\u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
                } else {
                    json.append(REPLACEMENT);
                }
            }
        }
    }

    /// The frame of one token.
    ///
    /// @param opening the brace, and members before the others
    static String tokenFrame(String opening, String token, int index) {
        var json = new StringBuilder(opening.length() + token.length() + 32)
                .append(opening)
                .append("\"token\":\"");
        escape(token, json);
        return json.append("\",\"index\":").append(index).append('}').toString();
    }
}
