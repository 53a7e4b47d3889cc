package dev.llmworker.serving.access;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.read.ListAppender;
import dev.llmworker.generation.MockGenerator;
import dev.llmworker.testing.Await;
import dev.llmworker.testing.RunningWorker;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/// `API_KEYS_FILE`: what changes in it holds at once, and what cannot be read opens nothing.
class KeyFileTest {
    private static final String FIRST = "the-first-key-of-all";
    private static final String SECOND = "the-second-key-of-all";

    @TempDir
    private Path folder;

    private Path file;

    @BeforeEach
    void choose() {
        file = folder.resolve("keys");
    }

    private RunningWorker start(String... more) throws Exception {
        var environment = new HashMap<>(Map.of("API_KEYS_FILE", file.toString()));
        for (var i = 0; i < more.length; i += 2) {
            environment.put(more[i], more[i + 1]);
        }
        return new RunningWorker(new MockGenerator(), environment);
    }

    private static int status(RunningWorker worker, String key) {
        try {
            return RunningWorker.send(worker.request("/stats").header("X-API-Key", key))
                    .statusCode();
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    /// Puts another file in the place of this one, as tools do that want no reader to see half of it.
    private void replace(String text) throws Exception {
        var next = folder.resolve("next");
        Files.writeString(next, text);
        Files.move(next, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    @Test
    void aKeyIsALineAndCommentsAreNone() throws Exception {
        Files.writeString(file, "# clients\r\n\r\n" + FIRST + "\r\n  " + SECOND + "  \nno key, this one\n");
        try (var worker = start()) {
            assertEquals(200, status(worker, FIRST));
            assertEquals(200, status(worker, SECOND));
            for (var wrong : new String[] {"# clients", "#", "no key, this one", "no", ""}) {
                assertEquals(401, status(worker, wrong), wrong);
            }
        }
    }

    /// Windows' editors begin a file with a byte order mark, and PowerShell writes UTF-16.
    @Test
    void aFileFromWindowsHasItsFirstKeyToo() throws Exception {
        for (var encoding : List.of(StandardCharsets.UTF_8, StandardCharsets.UTF_16LE, StandardCharsets.UTF_16BE)) {
            Files.writeString(file, "\uFEFF" + FIRST + "\r\n" + SECOND + "\r\n", encoding);
            try (var worker = start()) {
                assertEquals(200, status(worker, FIRST), encoding.name());
                assertEquals(200, status(worker, SECOND), encoding.name());
            }
        }
    }

    @Test
    void aLineThatIsNoKeyIsNamedWithWhatIsWrong() throws Exception {
        Files.writeString(file, FIRST + "\n" + SECOND + " not-a-limit\na,b\nGr\u00FCn\n");
        var log = (Logger) LoggerFactory.getLogger(ApiKeys.class);
        var lines = new ListAppender<ILoggingEvent>();
        lines.start();
        log.addAppender(lines);
        try {
            assertEquals(Set.of(FIRST), new KeyFile(file).first().keys().keySet());
        } finally {
            log.detachAppender(lines);
        }
        var end = "; a key is ASCII without blanks and commas";
        assertEquals(
                List.of(
                        "API_KEYS_FILE: line 2 is no key: it has a blank at character 22" + end
                                + ". Only requests_per_minute=, tokens_per_minute=, concurrent= and priority= may follow"
                                + " it, each with a number",
                        "API_KEYS_FILE: line 3 is no key: it has a comma at character 2" + end,
                        "API_KEYS_FILE: line 4 is no key: it has U+00FC at character 3" + end),
                lines.list.stream().map(ILoggingEvent::getFormattedMessage).toList());
    }

    private static Map<String, KeyLimits> keysOf(KeyFile.@Nullable Content content) {
        assertNotNull(content);
        return content.keys();
    }

    private static List<String> logged(Callable<?> task) throws Exception {
        var log = (Logger) LoggerFactory.getLogger(ApiKeys.class);
        var lines = new ListAppender<ILoggingEvent>();
        lines.start();
        log.addAppender(lines);
        try {
            task.call();
        } finally {
            log.detachAppender(lines);
        }
        return lines.list.stream()
                .map(line -> line.getLevel() + " " + line.getFormattedMessage())
                .toList();
    }

    @Test
    void limitsFollowTheKey() throws Exception {
        Files.writeString(
                file,
                FIRST + "\n" + SECOND + "\tpriority=100  requests_per_minute=1 \tconcurrent=1000000000"
                        + " tokens_per_minute=007 # a comment with priority=3\n" + FIRST + "  # again\n");
        var keys = new KeyFile(file);
        assertEquals(List.of(), logged(() -> {
            assertEquals(
                    Map.of(FIRST, KeyLimits.NONE, SECOND, new KeyLimits(1, 7, 1_000_000_000, 100)),
                    keys.first().keys());
            return null;
        }));
    }

    /// Nobody gets in with fewer limits than were meant, and the log has no part of what may be a key.
    @Test
    void aLineWithAWrongLimitHasNoKeyAndIsNamedWithTheValueAndTheLimit() throws Exception {
        var wrong = new LinkedHashMap<String, String>();
        for (var value : List.of("0", "-1", "1.5", "", "1e3", "1_000", "9999999999999", "1000000001", "\u0665", "+5")) {
            for (var name : List.of("requests_per_minute", "tokens_per_minute", "concurrent")) {
                wrong.put(
                        name + "=" + value,
                        "is not accepted: " + name + " is \"" + value
                                + "\"; it must be a whole number from 1 to 1000000000");
            }
        }
        wrong.put("priority=101", "is not accepted: priority is \"101\"; it must be a whole number from 1 to 100");
        wrong.put("priority=0", "is not accepted: priority is \"0\"; it must be a whole number from 1 to 100");
        wrong.put("priority=1 concurrent=2 priority=1", "is not accepted: priority is there twice");
        var blank = "is no key: it has a blank at character %s; a key is ASCII without blanks and commas. Only"
                + " requests_per_minute=, tokens_per_minute=, concurrent= and priority= may follow it, each with a"
                + " number";
        for (var word : List.of("Priority=1", "priority", "=", "secret==", "request_per_minute=1")) {
            wrong.put(word, blank.formatted(FIRST.length() + 1));
            wrong.put("priority=1 " + word, blank.formatted(FIRST.length() + 12));
        }
        wrong.forEach((limits, problem) -> {
            try {
                Files.writeString(file, "# clients\n" + FIRST + " " + limits + "\n" + SECOND + "\n");
                var keys = new KeyFile(file);
                var lines = logged(() -> {
                    assertEquals(Map.of(SECOND, KeyLimits.NONE), keys.first().keys(), limits);
                    return null;
                });
                assertEquals(List.of("ERROR API_KEYS_FILE: line 2 " + problem), lines);
            } catch (Exception e) {
                throw new AssertionError(limits, e);
            }
        });
    }

    /// Whether it is on another line, before or after, or in `API_KEYS`.
    @Test
    void theKeyOfAWrongLineIsRejectedWhereverElseItIs() throws Exception {
        for (var wrong : List.of(" requests_per_minute=6O", " priority", " concurrent=1 concurrent=1")) {
            for (var text : List.of(FIRST + wrong, FIRST + wrong + "\n" + FIRST, FIRST + "\n" + FIRST + wrong)) {
                Files.writeString(file, text + "\n" + SECOND);
                for (var listed : new String[] {null, FIRST + "," + SECOND}) {
                    var keys = ApiKeys.of(listed, file);
                    assertNull(keys.find(List.of(FIRST)), text);
                    assertNotNull(keys.find(List.of(SECOND)), text);
                }
            }
        }
        Files.writeString(file, FIRST);
        var keys = ApiKeys.of(FIRST, file);
        assertNotNull(keys.find(List.of(FIRST)));
        replace(FIRST + " concurrent=0");
        keys.refresh();
        keys.refresh();
        assertNull(keys.find(List.of(FIRST)), "after a change, too");
    }

    @Test
    void aKeyWithOtherLimitsOnALaterLineIsAMistake() throws Exception {
        Files.writeString(file, FIRST + " priority=2\n" + FIRST + " priority=3\n" + FIRST + " priority=2\n");
        var keys = new KeyFile(file);
        var lines = logged(() -> {
            assertEquals(
                    Map.of(FIRST, new KeyLimits(null, null, null, 2)),
                    keys.first().keys());
            return null;
        });
        assertEquals(
                List.of(
                        "ERROR API_KEYS_FILE: line 2 is not accepted: its key is on an earlier line, with other limits"),
                lines);
    }

    @Test
    void aChangeHoldsWithoutARestartAndClosesTheSocketsOfKeysThatAreGone() throws Exception {
        Files.writeString(file, FIRST);
        try (var worker = start()) {
            assertEquals(200, status(worker, FIRST));
            assertEquals(401, status(worker, SECOND));
            try (var socket = worker.socket("/ws?token=" + FIRST)) {
                replace(SECOND);
                Await.until("the new key is good", () -> status(worker, SECOND) == 200);
                assertEquals(401, status(worker, FIRST));
                assertEquals(1008, socket.closeCode());
            }
            // Of the same length, in place, and back again.
            Files.writeString(file, SECOND.toUpperCase(java.util.Locale.ROOT));
            Await.until("the changed key is refused", () -> status(worker, SECOND) == 401);
        }
    }

    @Test
    void aFileThatIsMissingOrEmptyOrNoFileOpensNothing() throws Exception {
        try (var worker = start()) {
            assertEquals(401, status(worker, FIRST));
            assertEquals(401, worker.get("/stats").statusCode());
            replace(FIRST);
            Await.until("the file has come", () -> status(worker, FIRST) == 200);
            Files.delete(file);
            Await.until("its keys are gone with it", () -> status(worker, FIRST) == 401);
            assertEquals(401, worker.get("/stats").statusCode());
            replace("\n# none yet\n");
            assertEquals(401, worker.get("/stats").statusCode());
            replace(FIRST);
            Await.until("it is back", () -> status(worker, FIRST) == 200);
            Files.delete(file);
            Files.createDirectory(file);
            Await.until("a folder has no keys", () -> status(worker, FIRST) == 401);
        }
    }

    @Test
    void keysOfTheListHoldBesideTheFile() throws Exception {
        try (var worker = start("API_KEYS", FIRST)) {
            assertEquals(200, status(worker, FIRST));
            replace(SECOND);
            Await.until("both are good", () -> status(worker, SECOND) == 200);
            assertEquals(200, status(worker, FIRST));
        }
    }

    /// Such as when somebody has opened so many connections that there is no descriptor left to open the file.
    @Test
    void aFileThatCannotBeReadRevokesNoKeyAndIsLoggedOnce() throws Exception {
        Files.writeString(file, FIRST);
        var failing = new AtomicBoolean();
        var keys = new KeyFile(file, (path, bytes) -> {
            if (failing.get()) {
                throw new FileSystemException(path.toString(), null, "Too many open files");
            }
            return Files.readAllBytes(path);
        });
        assertEquals(Set.of(FIRST), keys.first().keys().keySet());
        var log = (Logger) LoggerFactory.getLogger(ApiKeys.class);
        var lines = new ListAppender<ILoggingEvent>();
        lines.start();
        log.addAppender(lines);
        try {
            failing.set(true);
            for (var i = 0; i < 5; i++) {
                assertNull(keys.changed());
            }
            assertEquals(1, lines.list.size(), lines.list.toString());
            failing.set(false);
            assertNull(keys.changed(), "the same content is no change");
            assertNull(keys.changed());
            replace(SECOND);
            assertNull(keys.changed(), "a change counts when it is found twice");
            failing.set(true);
            assertNull(keys.changed());
            failing.set(false);
            assertEquals(Map.of(SECOND, KeyLimits.NONE), keysOf(keys.changed()));
            Files.delete(file);
            assertNull(keys.changed());
            assertEquals(Map.of(), keysOf(keys.changed()), "whoever removes the file revokes its keys");
        } finally {
            log.detachAppender(lines);
        }
    }

    @Test
    void aFileThatCannotBeReadAtTheStartOpensNothing() throws Exception {
        var unreadable = new KeyFile(Files.writeString(file, FIRST), (path, _) -> {
            throw new FileSystemException(path.toString());
        });
        assertEquals(Map.of(), unreadable.first().keys());
        assertNull(unreadable.changed());
    }
}
