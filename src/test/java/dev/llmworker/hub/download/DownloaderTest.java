package dev.llmworker.hub.download;

import static dev.llmworker.testing.LoopbackServer.file;
import static dev.llmworker.testing.LoopbackServer.status;
import static dev.llmworker.testing.LoopbackServer.with;
import static dev.llmworker.testing.LoopbackServer.withoutRanges;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.Await;
import dev.llmworker.testing.LoopbackServer;
import dev.llmworker.testing.Seeded;
import dev.llmworker.testing.Seeds;
import java.nio.file.Files;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DownloaderTest extends DownloadCase {
    @Test
    void aFileIsFetchedWholeAndNothingElseIsLeft() throws Exception {
        server.on("/m", file(content, ETAG));

        fetch(content.length, sha256(content));

        assertFetched();
        assertEquals(List.of(), waitsMillis);
    }

    @Test
    void aDroppedDownloadGoesOnWhereItEnded() throws Exception {
        server.on("/m", server.droppedAt(100_000, content, ETAG), file(content, ETAG));

        fetch(content.length, sha256(content));

        assertFetched();
        var second = server.requests().get(1);
        var range = second.header("Range");
        assertTrue(range.matches("bytes=[1-9]\\d{3,5}-"), range);
        assertEquals(ETAG, second.header("If-Range"));
        assertEquals(List.of(1_000L), waitsMillis);
    }

    @Seeded
    @Test
    void dropsAtAnyPlacesStillGiveTheFile() throws Exception {
        var seed = Seeds.seed();
        var random = new Random(seed);
        for (var round = 0; round < Seeds.rounds(20); round++) {
            var drops = random.ints(3, 0, content.length)
                    .sorted()
                    .mapToObj(at -> server.droppedAt(at, content, ETAG))
                    .toList();
            var replies = new ArrayList<LoopbackServer.Reply>(drops);
            replies.add(random.nextBoolean() ? file(content, ETAG) : withoutRanges(content));
            server.on("/m", replies.toArray(LoopbackServer.Reply[]::new));

            fetch(content.length, random.nextBoolean() ? sha256(content) : null);

            assertArrayEquals(content, Files.readAllBytes(destination()), "seed " + seed + ", round " + round);
        }
    }

    @Test
    void aServerThatKnowsNoRangesIsReadFromTheStart() throws Exception {
        server.on("/m", server.droppedAt(100_000, content, ETAG), withoutRanges(content));

        fetch(content.length, sha256(content));

        assertFetched();
    }

    @Test
    void bytesOfAnOlderVersionAreNotBuiltOn() throws Exception {
        var older = bytes(content.length, 2);
        server.on("/m", server.droppedAt(100_000, older, "\"v0\""), file(content, ETAG));

        fetch(content.length, null);

        assertFetched();
        assertEquals("\"v0\"", server.requests().get(1).header("If-Range"));
    }

    @Test
    void aRangeThatBeginsElsewhereIsRefused() throws Exception {
        var shifted = with("Content-Range", "bytes 5-299999/300000", exchange -> {
            exchange.sendResponseHeaders(206, content.length - 5);
            exchange.getResponseBody().write(content, 5, content.length - 5);
        });
        server.on("/m", server.droppedAt(100_000, content, ETAG), shifted, file(content, ETAG));

        fetch(content.length, sha256(content));

        assertFetched();
        assertEquals(3, server.requests().size());
    }

    @Test
    void theBytesOfAnEarlierProcessAreUsed() throws Exception {
        Files.write(folder.resolve("model.gguf.part"), Arrays.copyOf(content, 200_000));
        server.on("/m", file(content, ETAG));

        fetch(content.length, sha256(content));

        assertFetched();
        assertEquals("bytes=200000-", server.requests().getFirst().header("Range"));
    }

    @Test
    void aWholePartOfAnEarlierProcessIsNotAskedForAgain() throws Exception {
        Files.write(folder.resolve("model.gguf.part"), content);

        fetch(content.length, sha256(content));

        assertFetched();
        assertEquals(List.of(), server.requests());
    }

    @Test
    void aPartThatNothingVouchesForIsNotUsed() throws Exception {
        Files.write(folder.resolve("model.gguf.part"), new byte[1_000]);
        server.on("/m", file(content, ETAG));

        fetch(content.length, null);

        assertFetched();
        assertEquals("", server.requests().getFirst().header("Range"));
    }

    @Test
    void aBusyServerIsAskedAgainAfterGrowingWaitsOrItsOwn() throws Exception {
        server.on("/m", status(503), status(500), with("Retry-After", "17", status(429)), file(content, ETAG));

        fetch(content.length, sha256(content));

        assertFetched();
        assertEquals(List.of(1_000L, 2_000L, 17_000L), waitsMillis);
    }

    @Test
    void aLargeFileMayDropMoreOftenThanThereAreAttempts() throws Exception {
        var large = bytes(12 << 20, 3);
        var replies = new ArrayList<LoopbackServer.Reply>();
        for (var megabytes = 2; megabytes < 12; megabytes += 2) {
            replies.add(server.droppedAt(megabytes << 20, large, ETAG));
        }
        replies.add(file(large, ETAG));
        server.on("/m", replies.toArray(LoopbackServer.Reply[]::new));

        fetch(large.length, sha256(large));

        assertArrayEquals(large, Files.readAllBytes(destination()));
        assertEquals(List.of(1_000L, 1_000L, 1_000L, 1_000L, 1_000L), waitsMillis);
    }

    @Test
    void aStalledDownloadIsTakenUpAgain() throws Exception {
        server.on("/m", server.stalledAt(100_000, content, ETAG), file(content, ETAG));
        try (var impatient = new WebClient(null, Duration.ofSeconds(1))) {
            web.close();
            web = impatient;
            fetch(content.length, sha256(content));
        }

        assertFetched();
        assertEquals("bytes=100000-", server.requests().get(1).header("Range"));
    }

    @Test
    void anInterruptEndsTheDownloadAndKeepsItsBytes() throws Exception {
        server.on("/m", server.stalledAt(100_000, content, ETAG));
        var downloading = Thread.currentThread();
        // The stall of the server ends only with the test: without the interrupt the fetch would outlast its limit.
        var watcher = Thread.ofVirtual().start(() -> {
            Await.until(
                    "it is stalled",
                    () -> new PartFile(destination()).path().toFile().length() >= 100_000);
            downloading.interrupt();
        });

        assertThrows(InterruptedException.class, () -> fetch(content.length, sha256(content)));

        watcher.join();
        assertEquals(100_000, Files.size(folder.resolve("model.gguf.part")));
        assertEquals(1, server.requests().size());
    }
}
