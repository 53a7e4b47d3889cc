package dev.llmworker.hub;

import static dev.llmworker.testing.LoopbackServer.file;
import static dev.llmworker.testing.LoopbackServer.redirect;
import static dev.llmworker.testing.LoopbackServer.status;
import static dev.llmworker.testing.LoopbackServer.text;
import static dev.llmworker.testing.LoopbackServer.with;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.hub.download.Sha256;
import dev.llmworker.testing.LoopbackServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HuggingFaceTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final String LIST = "/api/models/org/name";

    private final byte[] gguf = "GGUF and the weights".repeat(1_000).getBytes(StandardCharsets.US_ASCII);
    private final Map<String, String> environment = new HashMap<>();
    private LoopbackServer hub;
    private LoopbackServer store;

    @TempDir
    Path folder;

    @BeforeEach
    void open() throws IOException {
        hub = new LoopbackServer();
        store = new LoopbackServer();
        environment.put("HOME", folder.toString());
        environment.put("HF_ENDPOINT", hub.address("/").toString());
    }

    @AfterEach
    void close() {
        hub.close();
        store.close();
    }

    @Test
    void anIdIsDownloadedOnceAndThenCached() throws Exception {
        environment.put("HF_TOKEN", "secret");
        hub.on(LIST, listing(described("x.gguf", gguf)));
        hub.on(resolve("x.gguf"), redirect(store.address("/blob").toString()));
        store.on("/blob", store.droppedAt(5_000, gguf, "\"e\""), file(gguf, "\"e\""));

        var first = locate("org/name");
        var second = locate("org/name");

        var path = ".cache/camel-llm-worker/hub/models--org--name/snapshots/" + COMMIT + "/x.gguf";
        assertEquals(new LocatedModel("org/name", folder.resolve(path)), first);
        assertArrayEquals(gguf, Files.readAllBytes(first.file()));
        assertEquals(first, second);
        assertEquals(
                "/api/models/org/name?blobs=true", hub.requests().getFirst().pathAndQuery());
        assertEquals("Bearer secret", hub.requests().getFirst().header("Authorization"));
        assertEquals("", store.requests().getFirst().header("Authorization"));
        assertTrue(store.requests().get(1).header("Range").startsWith("bytes="));
        assertEquals(3, hub.requests().size());
    }

    @Test
    void withoutACommitTheMainBranchIsMeant() throws Exception {
        hub.on(LIST, text("{\"siblings\":[{\"rfilename\":\"sub/x.gguf\"},{\"rfilename\":\"README.md\"}]}"));
        hub.on("/org/name/resolve/main/sub/x.gguf", file(gguf, "\"e\""));

        var model = locate("org/name");

        assertTrue(model.file().endsWith("models--org--name/snapshots/main/sub/x.gguf"), model.toString());
        assertEquals(model, locate("org/name:sub/x.gguf"));
        assertEquals(2, hub.requests().size());
    }

    @Test
    void theHashOnTheRedirectIsHeldAgainstTheFile() {
        hub.on(LIST, text("{\"siblings\":[{\"rfilename\":\"x.gguf\"}]}"));
        var linked = redirect(store.address("/blob").toString());
        hub.on("/org/name/resolve/main/x.gguf", with("X-Linked-Etag", '"' + "f".repeat(64) + '"', linked));
        store.on("/blob", file(gguf, "\"e\""));

        var refusal = refusal("org/name");

        assertTrue(refusal.contains("expected " + "f".repeat(64)), refusal);
    }

    @Test
    void aFileOfAnotherLengthThanListedIsRefused() {
        hub.on(LIST, text("{\"sha\":\"" + COMMIT + "\",\"siblings\":[{\"rfilename\":\"x.gguf\",\"size\":7}]}"));
        hub.on(resolve("x.gguf"), file(gguf, "\"e\""));

        assertEquals(hub.address(resolve("x.gguf")) + " has 20000 bytes, expected 7", refusal("org/name"));
    }

    @Test
    void severalFilesAreRefusedWithTheList() throws Exception {
        hub.on(LIST, listing(described("x-Q4_0.gguf", gguf) + "," + described("x-Q8_0.gguf", gguf)));
        hub.on(resolve("x-Q8_0.gguf"), file(gguf, "\"e\""));

        assertEquals(
                "MODEL=org/name has 2 .gguf files; name one of them:\n  MODEL=org/name:x-Q4_0.gguf\n"
                        + "  MODEL=org/name:x-Q8_0.gguf",
                refusal("org/name"));
        assertArrayEquals(
                gguf, Files.readAllBytes(locate("org/name:x-Q8_0.gguf").file()));
    }

    @Test
    void allFilesOfAModelInPartsAreDownloadedAndThenCached() throws Exception {
        var listed = new ArrayList<String>();
        for (var part = 1; part <= 3; part++) {
            var name = "q/x-0000" + part + "-of-00003.gguf";
            listed.add(described(name, gguf));
            hub.on(resolve(name), file(gguf, "\"e\""));
        }
        hub.on(LIST, listing(described("x-Q8_0.gguf", gguf) + "," + String.join(",", listed)));

        assertEquals(
                "MODEL=org/name has 2 .gguf files; name one of them:\n  MODEL=org/name:q/x-00001-of-00003.gguf\n"
                        + "  MODEL=org/name:x-Q8_0.gguf",
                refusal("org/name"));
        assertEquals(
                "MODEL=org/name:q/x-00002-of-00003.gguf: q/x-00002-of-00003.gguf is one of 3 parts; name the first,"
                        + " q/x-00001-of-00003.gguf",
                refusal("org/name:q/x-00002-of-00003.gguf"));
        var model = locate("org/name:q/x-00001-of-00003.gguf").file();
        for (var part = 1; part <= 3; part++) {
            var file = model.resolveSibling("x-0000" + part + "-of-00003.gguf");
            assertArrayEquals(gguf, Files.readAllBytes(file));
        }
        environment.put("HF_HUB_OFFLINE", "1");
        assertEquals(model, locate("org/name:q/x-00001-of-00003.gguf").file());
        assertEquals(model, locate("org/name").file());
        Files.delete(model.resolveSibling("x-00002-of-00003.gguf"));
        assertTrue(refusal("org/name:q/x-00001-of-00003.gguf").contains("not in a cache on this machine"));
        assertTrue(refusal("org/name").contains("not in a cache on this machine"));
    }

    @Test
    void aPartThatTheRepositoryLacksIsNamed() {
        hub.on(LIST, listing(described("x-00001-of-00002.gguf", gguf)));

        assertEquals("MODEL=org/name lacks x-00002-of-00002.gguf of 2 parts", refusal("org/name"));
    }

    @Test
    void aRepositoryWithoutGgufIsRefusedByWhatItLacks() {
        hub.on(LIST, listing(described("model.safetensors", gguf)));

        assertEquals(
                "MODEL=org/name has no .gguf file, and no model in safetensors: it lacks config.json, tokenizer.json",
                refusal("org/name"));
    }

    @Test
    void aFileThatTheRepositoryLacksIsRefusedWithThoseItHas() {
        hub.on(LIST, listing(described("x.gguf", gguf)));

        assertEquals(
                "MODEL=org/name:y.gguf: the repository has no file y.gguf; its .gguf files are [x.gguf]",
                refusal("org/name:y.gguf"));
    }

    @Test
    void aNameThatWouldLeaveTheCacheIsNoFile() {
        hub.on(LIST, listing(described("../../x.gguf", gguf)));

        assertEquals(
                "MODEL=org/name has no .gguf file, and no model in safetensors: it lacks config.json, tokenizer.json,"
                        + " model.safetensors",
                refusal("org/name"));
    }

    @Test
    void aGatedModelAsksForAToken() {
        hub.on(LIST, status(401));

        var without = refusal("org/name");
        environment.put("HF_TOKEN", "secret");
        var with = refusal("org/name");

        var prefix = "MODEL=org/name: the hub answered HTTP 401: there is no such model, or it is private or gated and";
        assertEquals(prefix + " HF_TOKEN is not set", without);
        assertEquals(prefix + " HF_TOKEN does not open it", with);
    }

    @Test
    void aBusyHubIsAskedAgain() throws Exception {
        hub.on(LIST, status(503), status(429), listing(described("x.gguf", gguf)));
        hub.on(resolve("x.gguf"), file(gguf, "\"e\""));

        assertArrayEquals(gguf, Files.readAllBytes(locate("org/name").file()));
    }

    @Test
    void anAnswerThatIsNotJsonIsRefused() {
        hub.on(LIST, text("<html>log in first</html>"));

        assertEquals("the hub's list of org/name is not JSON", refusal("org/name"));
    }

    @Test
    void anEndpointThatIsNoneIsRefusedByTheNameOfItsVariable() {
        environment.put("HF_ENDPOINT", "hub.example");

        assertEquals("HF_ENDPOINT=hub.example must begin with https://HOST or http://HOST", refusal("org/name"));
    }

    private LocatedModel locate(String model) throws IOException, InterruptedException {
        environment.put("MODEL", model);
        var backoff = new Backoff(3, 1, 1, _ -> {});
        return new ModelLocator(environment::get, store.reader(), folder.resolve("runpod"), backoff).locate();
    }

    private String refusal(String model) {
        return String.valueOf(assertThrows(ModelUnavailableException.class, () -> locate(model))
                .getMessage());
    }

    private static LoopbackServer.Reply listing(String siblings) {
        return text("{\"id\":\"org/name\",\"sha\":\"" + COMMIT + "\",\"siblings\":[" + siblings + "]}");
    }

    private static String described(String name, byte[] content) {
        return "{\"rfilename\":\"%s\",\"size\":%d,\"lfs\":{\"sha256\":\"%s\"}}"
                .formatted(name, content.length, sha256(content));
    }

    private static String sha256(byte[] content) {
        var digest = Sha256.digest();
        digest.update(content);
        return Sha256.hex(digest);
    }

    private static String resolve(String file) {
        return "/org/name/resolve/" + COMMIT + "/" + file;
    }
}
