package dev.llmworker.remote;

import static java.util.regex.Pattern.CASE_INSENSITIVE;
import static java.util.regex.Pattern.DOTALL;

import dev.llmworker.files.TextFile;
import dev.llmworker.generation.HeldEvent;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Set;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Parses server-sent events, as WHATWG's HTML standard has them (9.2.6), from bytes that come in pieces of any size.
/// Lines end with LF, CR or both. Fields other than `data`, `event` and errors are ignored.
///
/// Events that carry nothing are passed over: those without data, and heartbeats. So is an event of a name that is not
/// known, unless its data can be an event of the API.
///
/// Threading: one thread.
final class EventParser {
    /// The longest line, enough for one event with all its scores or a whole tool call.
    static final int MAX_LINE_BYTES = 1 << 20;

    private static final int FIRST_BYTES = 512;
    private static final String ERROR = "error";
    /// The names of events that carry what events without a name do.
    private static final Set<String> PLAIN = Set.of("", "message");

    /// What servers send to keep a connection open, as the name of an event or as its data. Some put a whole comment
    /// into the data.
    private static final Pattern HEARTBEAT =
            Pattern.compile("\\s*:.*|\\W*(ping|pong|keep[-_ ]?alive|heart[-_ ]?beat)\\W*", CASE_INSENSITIVE | DOTALL);

    private final Events events;
    private ByteArrayOutputStream line = new ByteArrayOutputStream(FIRST_BYTES);
    private @Nullable StringBuilder data;
    private String type = "";
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

    /// About how many bytes it holds of a line and an event that are not whole.
    long heldBytes() {
        var characters = type.length() + (data == null ? 0 : data.length());
        return line.size() + HeldEvent.CHARACTER_BYTES * characters;
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
            begun = true;
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
        field(begun ? text : TextFile.withoutMark(text));
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
            case "event" -> type = text.substring(start);
            // Older servers of llama.cpp send this instead of `data`.
            case ERROR -> {
                type = ERROR;
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
        var whole = data == null ? "" : data.toString();
        var name = type;
        data = null;
        type = "";
        if (whole.isBlank()
                || HEARTBEAT.matcher(name).matches()
                || HEARTBEAT.matcher(whole).matches()) {
            return;
        }
        if (name.equals(ERROR)) {
            events.error(whole);
        } else if (PLAIN.contains(name) || whole.startsWith("{") || whole.startsWith("[")) {
            events.data(whole);
        }
    }
}
