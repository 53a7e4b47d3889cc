package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.testing.RawConnection;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What ends a connection, and how: close frames, text that is none, messages that are too large.
class WebSocketClosingTest extends FrameCase {
    @Test
    void whatIsNotUtf8IsRefusedAtTheFrameThatBreaksIt() throws Exception {
        var broken = Map.of(
                "an overlong slash", "c0af",
                "a surrogate", "eda080",
                "past the last code point", "f4908080",
                "a continuation alone", "80",
                "a byte that UTF-8 has not", "fe",
                "cut in a character", "ceba e1bd".replace(" ", ""),
                "five bytes", "f888808080");
        for (var entry : broken.entrySet()) {
            try (var client = open().frame(TEXT, hex(entry.getValue()))) {
                var refusal = client.frame();
                assertEquals(CLOSE, refusal.first(), entry.getKey());
                assertEquals(1007, refusal.closeCode(), entry.getKey());
                client.frame(CLOSE, closing(1007, ""));
                assertEquals("", client.rest(), "the worker waits for the client's close frame");
            }
            if (!entry.getKey().startsWith("cut")) {
                // There is no last frame: it is refused at once.
                try (var client = open().frame(FIRST_TEXT, utf8("good ")).frame(MORE, hex(entry.getValue()))) {
                    assertEquals(1007, client.closeCode(), entry.getKey());
                }
            }
        }
        try (var client =
                open().frame(FIRST_TEXT, hex("ceba e1".replace(" ", ""))).frame(LAST, NOTHING)) {
            assertEquals(1007, client.closeCode());
        }
    }

    @Test
    void whatIsUtf8ComesBackAsItIs() throws Exception {
        try (var client = open()) {
            for (var text : new String[] {"\0", "\u007f\u0080\u07ff\u0800\uffff", "𐀀􏿿", "\ufeffBOM", "\ufffe"}) {
                assertEcho(client.frame(TEXT, utf8(text)), TEXT, utf8(text));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(
            ints = {1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999})
    void closeCodesThatThereAreAreSentBack(int code) throws Exception {
        try (var client = open().frame(CLOSE, closing(code, "bye"))) {
            assertCloses(code, client);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535})
    void closeCodesThatThereAreNotAreRefused(int code) throws Exception {
        assertRefused(1002, CLOSE, closing(code, ""));
    }

    @Test
    void closeFramesMayBeEmptyAndHaveReasonsThatAreText() throws Exception {
        assertRefused(1000, CLOSE, NOTHING);
        assertRefused(1000, CLOSE, closing(1000, "*".repeat(123)));
        assertRefused(1002, CLOSE, hex("03"));
        assertRefused(1007, CLOSE, hex("03e8cebae1bdb9cf83f4908080656469746564"));
    }

    @Test
    void nothingIsReadAfterACloseFrame() throws Exception {
        // In one write: the worker may have closed the connection before a second one.
        var frames = new ByteArrayOutputStream();
        frames.write(RawConnection.encoded(CLOSE, closing(1000, "")));
        frames.write(RawConnection.encoded(TEXT, utf8("too late")));
        frames.write(RawConnection.encoded(PING, NOTHING));
        try (var client = open().send(frames.toByteArray())) {
            assertCloses(1000, client);
        }
    }

    @Test
    void aMessageOverTheLimitIsRefusedInOneFrameAndInMany() throws Exception {
        assertRefused(1009, BINARY, new byte[(1 << 20) + 1]);
        try (var client = open().frame(FIRST_BINARY, new byte[1 << 20]).frame(LAST, new byte[1])) {
            assertEquals(1009, client.closeCode());
        }
        // Only the head of it: the length alone is enough.
        try (var client = open().send(hex("82ff00000000ffffffff00000000"))) {
            assertEquals(1009, client.closeCode());
        }
    }

    @Test
    void halfAFrameAndNoMoreLeavesTheOthersAlone() throws Exception {
        try (var half = open().send(hex("81fe0fa0"));
                var other = open()) {
            assertEcho(other.frame(TEXT, utf8("a")), TEXT, utf8("a"));
            half.halfClose();
            assertThrows(IOException.class, half::readByte);
        }
    }
}
