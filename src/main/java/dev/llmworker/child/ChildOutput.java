package dev.llmworker.child;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.LongSupplier;
import java.util.regex.Pattern;

/// Logs the lines that a server prints. The rate is limited, long lines are cut, and control characters are left
/// out. It reads whatever comes, so that the server never waits for the log.
///
/// Threading: one thread reads.
final class ChildOutput {
    static final int MAX_CHARACTERS = 2000;
    /// How many lines are logged without a limit on their rate. A server prints about as many while it starts.
    static final int BURST_LINES = 200;
    static final int LINES_PER_SECOND = 20;
    /// Of the lines that are left out at the end, the last ones are logged: they say why a server ends. If a later line
    /// is logged, the lines left out before it are only counted.
    static final int KEPT_LINES = 20;

    private static final Pattern ESCAPE_SEQUENCE = Pattern.compile("\u001b\\[[0-?]*[ -/]*[@-~]");
    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\u2028\u2029&&[^\t]]");

    private final Consumer<String> log;
    private final LongSupplier nanos;
    private final StringBuilder line = new StringBuilder();
    private boolean isCut;
    private final Deque<String> kept = new ArrayDeque<>();
    private long leftOut;
    private double allowed = BURST_LINES;
    private long allowedAt;

    ChildOutput(Consumer<String> log, LongSupplier nanos) {
        this.log = log;
        this.nanos = nanos;
        allowedAt = nanos.getAsLong();
    }

    /// Reads until the end.
    void read(InputStream bytes) {
        var buffer = new char[8192];
        try (Reader text = new InputStreamReader(bytes, StandardCharsets.UTF_8)) {
            for (var count = text.read(buffer); count >= 0; count = text.read(buffer)) {
                for (var i = 0; i < count; i++) {
                    add(buffer[i]);
                }
            }
        } catch (IOException _) {
            // The process has ended, and its pipe is closed.
        }
        end();
        flush();
    }

    private void add(char c) {
        // A progress bar ends its line by a carriage return.
        if (c == '\n' || c == '\r') {
            end();
        } else if (line.length() < MAX_CHARACTERS) {
            line.append(c);
        } else {
            isCut = true;
        }
    }

    private void end() {
        var text = CONTROL.matcher(ESCAPE_SEQUENCE.matcher(line).replaceAll("")).replaceAll("");
        if (!text.isBlank()) {
            pass(isCut ? whole(text) + "…" : text);
        }
        line.setLength(0);
        isCut = false;
    }

    private static String whole(String cut) {
        var last = cut.length() - 1;
        return Character.isHighSurrogate(cut.charAt(last)) ? cut.substring(0, last) : cut;
    }

    private void pass(String text) {
        var now = nanos.getAsLong();
        allowed = Math.min(
                BURST_LINES, allowed + (now - allowedAt) * LINES_PER_SECOND / (double) TimeUnit.SECONDS.toNanos(1));
        allowedAt = now;
        if (allowed < 1) {
            leftOut++;
            kept.addLast(text);
            if (kept.size() > KEPT_LINES) {
                kept.removeFirst();
            }
            return;
        }
        allowed--;
        if (leftOut > 0) {
            log.accept(left(leftOut));
            leftOut = 0;
            kept.clear();
        }
        log.accept(text);
    }

    private static String left(long count) {
        return "… " + count + (count == 1 ? " line" : " lines") + " left out";
    }

    /// The last lines, at the end.
    private void flush() {
        if (leftOut > kept.size()) {
            log.accept(left(leftOut - kept.size()));
        }
        kept.forEach(log);
        kept.clear();
        leftOut = 0;
    }

    /// Reads on a thread of its own.
    ///
    /// @return the thread
    static Thread reading(InputStream bytes, Consumer<String> log) {
        return Thread.ofPlatform()
                .daemon()
                .name("engine-output")
                .start(() -> new ChildOutput(log, System::nanoTime).read(bytes));
    }
}
