package dev.llmworker.serving.wire;

/// JSON written by hand, for the one frame that is written for each token.
final class JsonText {
    private static final String HEX = "0123456789abcdef";

    private JsonText() {}

    /// The frame of one token.
    ///
    /// @param opening the brace, and members before the others
    static String tokenFrame(String opening, String token, int index) {
        var json = new StringBuilder(opening.length() + token.length() + 32)
                .append(opening)
                .append("\"token\":\"");
        escape(token, json);
        return Json.sound(json.append("\",\"index\":").append(index).append('}').toString());
    }

    /// Appends `text` as the inside of a JSON string.
    private static void escape(String text, StringBuilder json) {
        var written = 0;
        for (var i = 0; i < text.length(); i++) {
            var c = text.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                json.append(text, written, i);
                written = i + 1;
                special(c, json);
            }
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
            default -> json.append("\\u00").append(HEX.charAt(c >> 4)).append(HEX.charAt(c & 15));
        }
    }
}
