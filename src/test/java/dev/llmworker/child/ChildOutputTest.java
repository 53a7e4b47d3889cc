package dev.llmworker.child;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ChildOutputTest {
    private final List<String> log = new ArrayList<>();
    private long now;

    private List<String> read(InputStream bytes) {
        log.clear();
        new ChildOutput(log::add, () -> now).read(bytes);
        return log;
    }

    private List<String> read(String text) {
        return read(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
    }

    private static String lines(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "line " + i + "\n").collect(Collectors.joining());
    }

    @Test
    void aLineIsALogLine() {
        assertEquals(List.of("one", "two", "three", "vier é"), read("one\n\n  \ntwo\r\nthree\rvier é"));
    }

    @Test
    void controlCharactersAreLeftOut() {
        assertEquals(
                List.of("red\tand a bell", "ab"),
                read("\u001b[31;1mred\u001b[0m\tand a bell\u0007\na\u0000\u2028\u0085b\n"));
    }

    @Test
    void longLinesAreCutBetweenCharacters() {
        var most = ChildOutput.MAX_CHARACTERS;
        var said = read("x".repeat(most) + "\n" + "x".repeat(5_000_000) + "\n" + "x".repeat(most - 1) + "😀\nend");
        assertEquals(List.of("x".repeat(most), "x".repeat(most) + "…", "x".repeat(most - 1) + "…", "end"), said);
    }

    @Test
    void bytesThatAreNoTextAreShownAsSuch() {
        assertEquals(List.of("a\uFFFDb"), read(new ByteArrayInputStream(new byte[] {'a', (byte) 0xFF, 'b', '\n'})));
    }

    @Test
    void ofAFloodTheFirstAndTheLastLinesAreLogged() {
        var said = read(lines(0, 100_000) + "MemoryError");
        assertEquals(ChildOutput.BURST_LINES + 1 + ChildOutput.KEPT_LINES, said.size());
        assertEquals("line " + (ChildOutput.BURST_LINES - 1), said.get(ChildOutput.BURST_LINES - 1));
        assertEquals("… 99781 lines left out", said.get(ChildOutput.BURST_LINES));
        assertEquals("MemoryError", said.getLast());
    }

    @Test
    void withTimeMoreLinesAreAllowed() {
        var burst = ChildOutput.BURST_LINES;
        // Time passes while the reader waits for more.
        var said = read(new InputStream() {
            private final List<String> parts = new ArrayList<>(List.of(lines(0, burst + 30), lines(1000, 1030)));
            private ByteArrayInputStream part = new ByteArrayInputStream(new byte[0]);

            @Override
            public int read() {
                throw new AssertionError("byte by byte");
            }

            @Override
            public int read(byte[] into, int at, int count) {
                if (part.available() == 0) {
                    if (parts.isEmpty()) {
                        return -1;
                    }
                    now += Duration.ofSeconds(1).toNanos();
                    part = new ByteArrayInputStream(parts.removeFirst().getBytes(StandardCharsets.UTF_8));
                }
                return part.read(into, at, count);
            }
        });
        assertEquals("… 30 lines left out", said.get(burst));
        assertEquals("line 1000", said.get(burst + 1));
        assertEquals(burst + 1 + 30, said.size());
        assertEquals("line 1029", said.getLast());
    }

    @Test
    void aPipeThatBreaksIsTheEnd() {
        var said = read(new InputStream() {
            private boolean hasRead;

            @Override
            public int read() {
                throw new AssertionError("byte by byte");
            }

            @Override
            public int read(byte[] into, int at, int count) throws IOException {
                if (hasRead) {
                    throw new IOException("Stream closed");
                }
                hasRead = true;
                into[at] = 'a';
                return 1;
            }
        });
        assertTrue(said.equals(List.of("a")), said::toString);
    }
}
