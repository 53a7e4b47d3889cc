package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.llmworker.hub.download.ModelUnavailableException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SnapshotCacheTest {
    private static final HubId ID = new HubId("org", "name", null);

    @TempDir
    Path root;

    @Test
    void theSnapshotThatMainNamesGoesFirst() throws Exception {
        file("snapshots/aaa/x.gguf");
        var current = file("snapshots/bbb/x.gguf");
        Files.writeString(file("refs/main"), "bbb\n");

        assertEquals(current, cache().find(ID));
    }

    @Test
    void withoutMainItIsTheFirstByName() throws Exception {
        file("snapshots/bbb/x.gguf");
        var first = file("snapshots/aaa/x.gguf");

        assertEquals(first, cache().find(ID));
    }

    @Test
    void aMainThatLeavesTheCacheIsIgnored() throws Exception {
        Files.createDirectories(root.resolve("outside"));
        Files.writeString(root.resolve("outside/x.gguf"), "GGUF");
        var inside = file("snapshots/aaa/x.gguf");
        Files.writeString(file("refs/main"), "../../outside");

        assertEquals(inside, cache().find(ID));
    }

    @Test
    void aNamedFileIsFoundInAnOlderSnapshotToo() throws Exception {
        var older = file("snapshots/aaa/sub/x.gguf");
        file("snapshots/bbb/y.gguf");
        Files.writeString(file("refs/main"), "bbb");

        assertEquals(older, cache().find(new HubId("org", "name", "sub/x.gguf")));
        assertNull(cache().find(new HubId("org", "name", "x.gguf")));
    }

    @Test
    void aSnapshotWithoutGgufIsPassedOver() throws Exception {
        file("snapshots/aaa/config.json");
        var file = file("snapshots/bbb/x.gguf");

        assertEquals(file, cache().find(ID));
    }

    @Test
    void theFilesAreLinksIntoAStoreAndABrokenOneIsNoFile() throws Exception {
        var blob = file("blobs/0123");
        Files.createDirectories(folder().resolve("snapshots/aaa"));
        var link = Files.createSymbolicLink(folder().resolve("snapshots/aaa/x.gguf"), blob);
        Files.createSymbolicLink(folder().resolve("snapshots/aaa/y.gguf"), folder().resolve("blobs/missing"));

        assertEquals(link, cache().find(ID));
        assertNull(cache().find(new HubId("org", "name", "y.gguf")));
    }

    @Test
    void severalFilesAreListed() throws Exception {
        file("snapshots/aaa/x-Q8_0.gguf");
        file("snapshots/aaa/sub/x-Q4_0.gguf");

        var refused = assertThrows(ModelUnavailableException.class, () -> cache().find(ID));

        assertEquals(
                "MODEL=org/name has 2 .gguf files; name one of them:\n  MODEL=org/name:sub/x-Q4_0.gguf\n"
                        + "  MODEL=org/name:x-Q8_0.gguf",
                refused.getMessage());
    }

    @Test
    void anEmptyCacheHasNothing() throws Exception {
        assertNull(cache().find(ID));
    }

    private SnapshotCache cache() {
        return new SnapshotCache(root);
    }

    private Path folder() {
        return root.resolve("models--org--name");
    }

    private Path file(String path) throws IOException {
        var file = folder().resolve(path);
        Files.createDirectories(file.resolveSibling("."));
        return Files.writeString(file, "GGUF");
    }
}
