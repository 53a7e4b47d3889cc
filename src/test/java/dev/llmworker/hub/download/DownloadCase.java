package dev.llmworker.hub.download;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.testing.LoopbackServer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/// A downloader, and a server to try it on.
public abstract class DownloadCase {
    static final String ETAG = "\"v1\"";

    final List<Long> waitsMillis = new ArrayList<>();
    final byte[] content = bytes(300_000, 1);
    LoopbackServer server;
    WebClient web;

    @TempDir
    Path folder;

    @BeforeEach
    void open() throws IOException {
        server = new LoopbackServer();
        web = new WebClient(null, Duration.ofSeconds(10));
    }

    @AfterEach
    void close() {
        web.close();
        server.close();
    }

    void fetch(long bytes, @Nullable String sha256) throws IOException, InterruptedException {
        fetch(OptionalLong.of(bytes), sha256);
    }

    void fetch(OptionalLong bytes, @Nullable String sha256) throws IOException, InterruptedException {
        var backoff = new Backoff(4, 1_000, 60_000, waitsMillis::add);
        new Downloader(web, backoff, server.reader())
                .fetch(new RemoteFile(server.address("/m"), "model.gguf", bytes, sha256), destination());
    }

    Path destination() {
        return folder.resolve("model.gguf");
    }

    void assertFetched() throws IOException {
        assertArrayEquals(content, Files.readAllBytes(destination()));
        assertArrayEquals(new String[] {"model.gguf"}, folder.toFile().list());
    }

    public static byte[] bytes(int length, long seed) {
        var bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    public static String sha256(byte[] content) {
        var digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }

    static String refusal(Executable download) {
        return String.valueOf(
                assertThrows(ModelUnavailableException.class, download).getMessage());
    }
}
