package dev.llmworker.hub.download;

import static dev.llmworker.testing.LoopbackServer.chunked;
import static dev.llmworker.testing.LoopbackServer.file;
import static dev.llmworker.testing.LoopbackServer.status;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

class DownloadRefusalTest extends DownloadCase {
    @Test
    void aServerThatStaysBusyIsGivenUp() {
        server.on("/m", status(503));

        var refusal = refusal(() -> fetch(content.length, sha256(content)));

        assertEquals(4, server.requests().size());
        assertEquals(
                "model.gguf: given up after 4 attempts; the last: " + server.address("/m") + " answered HTTP 503",
                refusal);
    }

    @Test
    void aMissingFileIsNotAskedForAgain() {
        var refusal = refusal(() -> fetch(content.length, null));

        assertEquals(server.address("/m") + " answered HTTP 404", refusal);
        assertEquals(1, server.requests().size());
    }

    @Test
    void aWrongHashIsToldWithTheRightOneAndTheFileDeleted() {
        var other = bytes(content.length, 2);
        server.on("/m", file(other, ETAG));

        var refusal = refusal(() -> fetch(content.length, sha256(content)));

        assertTrue(refusal.contains("has sha256 " + sha256(other)), refusal);
        assertTrue(refusal.contains("expected " + sha256(content)), refusal);
        assertArrayEquals(new String[0], folder.toFile().list());
    }

    @Test
    void anotherLengthThanExpectedIsRefusedBeforeAByteIsWritten() {
        server.on("/m", file(content, ETAG));

        var refusal = refusal(() -> fetch(299_999, null));

        assertEquals(server.address("/m") + " has 300000 bytes, expected 299999", refusal);
        assertArrayEquals(new String[0], folder.toFile().list());
    }

    @Test
    void aBodyWithoutALengthIsCutOffWhereItExceedsTheExpectedOne() throws Exception {
        server.on("/m", chunked(content));

        var refusal = refusal(() -> fetch(100_000, null));

        assertEquals(server.address("/m") + " sends more than the 100000 bytes expected", refusal);
        assertFalse(Files.exists(destination()));
        assertTrue(Files.size(folder.resolve("model.gguf.part")) <= 100_000);
    }

    @Test
    void aBodyOfUnknownLengthIsRefusedWhereNoneIsExpected() {
        server.on("/m", chunked(content));

        var refusal = refusal(() -> fetch(OptionalLong.empty(), null));

        assertEquals(server.address("/m") + " does not say how long it is", refusal);
    }

    @Test
    void moreThanTheDiskHoldsIsRefusedWithTheFigures() {
        server.on("/m", exchange -> {
            exchange.sendResponseHeaders(200, 9_000_000_000_000_000_000L);
            exchange.getResponseBody().flush();
        });

        var refusal = refusal(() -> fetch(OptionalLong.empty(), null));

        assertTrue(refusal.startsWith("model.gguf needs 9000000000.0 GB in " + folder), refusal);
        assertTrue(refusal.contains("set CACHE_DIR"), refusal);
    }
}
