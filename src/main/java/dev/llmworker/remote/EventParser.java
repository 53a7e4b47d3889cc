package dev.llmworker.remote;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// Parses server-sent events from bytes that come in pieces of any size. Lines end with LF, CR or both. Fields
/// other than `data` and errors are ignored.
///
/// Threading: one thread.
final class EventParser {
    /// The longest line, enough for one event with all its scores or a whole tool call.
    static final int MAX_LINE_BYTES = 1 << 20;

    private static final int FIRST_BYTES = 512;

    private final Events events;
    private ByteArrayOutputStream line = new ByteArrayOutputStream(FIRST_BYTES);
    private @Nullable StringBuilder data;
    private boolean isError;
    private boolean afterReturn;
    private boolean begun;

    /// Receives the events.
    interface Events {
        void data(String data);

        /// The server marks the event or the field as an error.
        void error(String data);
    }

    EventParser(Events events) {
        this.events = events;
    }

    /// @throws IOException if a line is too long or not UTF-8
    void feed(byte[] bytes) throws IOException {
        var begin = 0;
        for (var i = 0; i < bytes.length; i++) {
            if (bytes[i] == '\n' || bytes[i] == '\r') {
                var secondHalf = bytes[i] == '\n' && afterReturn && i == begin && line.size() == 0;
                if (!secondHalf) {
                    append(bytes, begin, i);
                    endLine();
                }
                afterReturn = bytes[i] == '\r';
                begin = i + 1;
            }
        }
        if (begin < bytes.length) {
            append(bytes, begin, bytes.length);
            afterReturn = false;
        }
    }

    private void append(byte[] bytes, int begin, int end) throws IOException {
        if (line.size() + end - begin > MAX_LINE_BYTES) {
            throw new IOException("a line of the stream has more than " + MAX_LINE_BYTES + " bytes");
        }
        line.write(bytes, begin, end - begin);
    }

    private void endLine() throws IOException {
        if (line.size() == 0) {
            endEvent();
            return;
        }
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(line.toByteArray()))
                    .toString();
        } catch (CharacterCodingException _) {
            throw new IOException("a line of the stream is not UTF-8");
        }
        if (line.size() > FIRST_BYTES * FIRST_BYTES) {
            // Drops the memory of a long line, so that the rest of the stream does not keep it.
            line = new ByteArrayOutputStream(FIRST_BYTES);
        } else {
            line.reset();
        }
        // The stream may begin with a byte order mark.
        field(!begun && text.startsWith("\ufeff") ? text.substring(1) : text);
        begun = true;
    }

    private void field(String text) throws IOException {
        var colon = text.indexOf(':');
        if (colon == 0) {
            return;
        }
        var name = colon < 0 ? text : text.substring(0, colon);
        var start = colon < 0 ? text.length() : colon + (text.startsWith(" ", colon + 1) ? 2 : 1);
        switch (name) {
            case "data" -> add(text, start);
            case "event" -> isError = text.substring(start).equals("error");
            // Older servers of llama.cpp send this instead of `data`.
            case "error" -> {
                isError = true;
                add(text, start);
            }
            default -> {}
        }
    }

    private void add(String text, int start) throws IOException {
        var before = data;
        if (before != null && before.length() + text.length() > MAX_LINE_BYTES) {
            throw new IOException("an event of the stream has more than " + MAX_LINE_BYTES + " characters");
        }
        if (before == null) {
            before = new StringBuilder(text.length() - start);
            data = before;
        } else {
            before.append('\n');
        }
        before.append(text, start, text.length());
    }

    private void endEvent() {
        var whole = data;
        var error = isError;
        data = null;
        isError = false;
        if (whole != null) {
            if (error) {
                events.error(whole.toString());
            } else {
                events.data(whole.toString());
            }
        }
    }
}
