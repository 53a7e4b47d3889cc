package dev.llmworker.serving.connection;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.EchoWorker;
import dev.llmworker.testing.RawConnection;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HexFormat;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/// RFC 6455 frame by frame, from a client that does what no library would. The groups of cases are those of the
/// Autobahn suite, which `docs/robustness.md` says how to run.
abstract class FrameCase {
    static final int TEXT = 0x81;
    static final int BINARY = 0x82;
    static final int CLOSE = 0x88;
    static final int PING = 0x89;
    static final int PONG = 0x8a;
    static final int FIRST_TEXT = 0x01;
    static final int FIRST_BINARY = 0x02;
    static final int MORE = 0x00;
    static final int LAST = 0x80;
    static final byte[] NOTHING = {};

    @TempDir
    static Path folder;

    static EchoWorker worker;

    @BeforeAll
    static void start() throws Exception {
        worker = new EchoWorker(0, folder);
    }

    @AfterAll
    static void stop() {
        worker.close();
    }

    static RawConnection open() throws IOException {
        return worker.raw().upgrade("/echo");
    }

    static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    static byte[] hex(String digits) {
        return HexFormat.of().parseHex(digits);
    }

    static byte[] closing(int code, String reason) {
        var bytes = utf8(reason);
        return ByteBuffer.allocate(2 + bytes.length)
                .putShort((short) code)
                .put(bytes)
                .array();
    }

    static void assertEcho(RawConnection client, int first, byte[] payload) throws IOException {
        var frame = client.frame();
        assertEquals(first, frame.first());
        assertArrayEquals(payload, frame.payload());
    }

    /// The close frame comes, and then the end of the connection, without waiting for a time-out.
    static void assertCloses(int code, RawConnection client) throws IOException {
        var frame = client.frame();
        assertEquals(CLOSE, frame.first());
        assertEquals(code, frame.closeCode());
        assertEquals("", client.rest());
    }

    static void assertRefused(int code, int first, byte[] payload) throws IOException {
        try (var client = open().frame(first, payload)) {
            assertCloses(code, client);
        }
    }
}
