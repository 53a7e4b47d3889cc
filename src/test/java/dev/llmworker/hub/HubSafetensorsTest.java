package dev.llmworker.hub;

import static dev.llmworker.testing.LoopbackServer.file;
import static dev.llmworker.testing.LoopbackServer.redirect;
import static dev.llmworker.testing.LoopbackServer.status;
import static dev.llmworker.testing.LoopbackServer.text;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.hub.download.Backoff;
import dev.llmworker.hub.download.DownloadCase;
import dev.llmworker.hub.download.ModelUnavailableException;
import dev.llmworker.testing.LoopbackServer;
import dev.llmworker.text.hub.HubSettings;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Models of several files, from a hub that speaks Hugging Face's protocol and from caches.
class HubSafetensorsTest {
    private static final String COMMIT = "0123456789abcdef0123456789abcdef01234567";
    private static final String INDEX =
            "{\"weight_map\":{\"a\":\"model-00001-of-00002.safetensors\",\"b\":\"model-00002-of-00002.safetensors\"}}";

    private final byte[] first = DownloadCase.bytes(40_000, 1);
    private final byte[] second = DownloadCase.bytes(50_000, 2);
    private final Map<String, String> environment = new HashMap<>();
    private final List<String> siblings = new ArrayList<>();
    private LoopbackServer hub;

    @TempDir
    Path folder;

    @BeforeEach
    void open() throws IOException {
        hub = new LoopbackServer();
        environment.put("HOME", folder.toString());
        environment.put("HF_ENDPOINT", hub.address("/").toString());
    }

    @AfterEach
    void close() {
        hub.close();
    }

    @Test
    void allFilesOfAModelInPartsAreDownloadedAndThenCached() throws Exception {
        offerSmallFiles();
        offer("chat_template.jinja", "{{ messages }}".getBytes(StandardCharsets.US_ASCII));
        offer("model.safetensors.index.json", INDEX.getBytes(StandardCharsets.US_ASCII));
        offer("model-00001-of-00002.safetensors", first);
        offer("model-00002-of-00002.safetensors", second);
        offer("preprocessor_config.json", first);
        offer("additional_chat_templates/tool_use.jinja", "{{ tools }}".getBytes(StandardCharsets.US_ASCII));
        offer("pytorch_model.bin", first);
        offer("original/consolidated.00.pth", first);
        list();

        var model = locate("org/name");
        var requests = hub.requests().size();

        assertEquals(new LocatedModel("org/name", snapshot()), model);
        assertEquals(
                List.of(
                        "additional_chat_templates",
                        "chat_template.jinja",
                        "config.json",
                        "generation_config.json",
                        "model-00001-of-00002.safetensors",
                        "model-00002-of-00002.safetensors",
                        "model.safetensors.index.json",
                        "preprocessor_config.json",
                        "tokenizer.json",
                        "tokenizer_config.json"),
                names(model.file()));
        assertArrayEquals(second, Files.readAllBytes(model.file().resolve("model-00002-of-00002.safetensors")));
        assertEquals(
                "{{ tools }}",
                Objects.requireNonNull(HubSettings.read(model.file()).templateForTools())
                        .source());
        assertEquals(model, locate("org/name"));
        assertEquals(requests, hub.requests().size());
    }

    @Test
    void aDownloadThatWasCutOffGoesOnWhereItWas() throws Exception {
        offerSmallFiles();
        offer("model.safetensors.index.json", INDEX.getBytes(StandardCharsets.US_ASCII));
        offer("model-00001-of-00002.safetensors", first);
        var name = "model-00002-of-00002.safetensors";
        siblings.add(described(name, second));
        hub.on(resolve(name), hub.droppedAt(20_000, second, "\"e\""), status(403), file(second, "\"e\""));
        list();

        assertTrue(refusal("org/name").contains("HTTP 403"));
        assertEquals(
                List.of("model-00002-of-00002.safetensors.part"),
                names(snapshot()).stream()
                        .filter(file -> file.endsWith(".part"))
                        .toList());
        var model = locate("org/name");

        assertArrayEquals(second, Files.readAllBytes(model.file().resolve(name)));
        var fetched =
                hub.requests().stream().map(request -> request.pathAndQuery()).toList();
        assertEquals(1, fetched.stream().filter(resolve("config.json")::equals).count());
        assertEquals(
                1,
                fetched.stream()
                        .filter(resolve("model-00001-of-00002.safetensors")::equals)
                        .count());
        assertTrue(hub.requests().getLast().header("Range").startsWith("bytes="), "the last request is for the rest");
    }

    @Test
    void damagedWeightsAreRefused() {
        offerSmallFiles();
        siblings.add(described("model.safetensors", first));
        var damaged = first.clone();
        damaged[17]++;
        hub.on(resolve("model.safetensors"), file(damaged, "\"e\""));
        list();

        assertTrue(refusal("org/name").contains("expected " + DownloadCase.sha256(first)));
    }

    @Test
    void anIndexThatNamesAFileElsewhereIsRefused() {
        offerSmallFiles();
        offer(
                "model.safetensors.index.json",
                "{\"weight_map\":{\"a\":\"../../../x.safetensors\"}}".getBytes(StandardCharsets.US_ASCII));
        list();

        var refusal = String.valueOf(
                assertThrows(IOException.class, () -> locate("org/name")).getMessage());
        assertTrue(
                refusal.startsWith("model.safetensors.index.json: weight_map has \"../../../x.safetensors\""), refusal);
    }

    @Test
    void whereThereIsGgufTooItIsTakenUnlessSafetensorsAreNamed() throws Exception {
        offerSmallFiles();
        offer("model.safetensors", first);
        offer("x.gguf", "GGUF".getBytes(StandardCharsets.US_ASCII));
        list();

        assertEquals(snapshot().resolve("x.gguf"), locate("org/name").file());
        assertEquals(
                snapshot().resolve("model.safetensors"),
                locate("org/name:model.safetensors").file());
    }

    @Test
    void aCacheHasAModelOnlyWhenAllItsFilesAreThere() throws Exception {
        environment.put("HF_HUB_OFFLINE", "1");
        var cached = folder.resolve("runpod/huggingface-cache/hub/models--org--name/snapshots/" + COMMIT);
        Files.createDirectories(cached);
        Files.writeString(cached.resolve("config.json"), "{}");
        Files.writeString(cached.resolve("tokenizer.json"), "{}");
        Files.writeString(cached.resolve("model.safetensors.index.json"), INDEX);
        Files.write(cached.resolve("model-00001-of-00002.safetensors"), first);

        assertTrue(refusal("org/name").contains("not in a cache on this machine"));
        // Caches hold links into a store of blobs.
        var blob = Files.write(folder.resolve("blob"), second);
        Files.createSymbolicLink(cached.resolve("model-00002-of-00002.safetensors"), blob);
        assertEquals(new LocatedModel("org/name", cached), locate("org/name"));
    }

    private Path snapshot() {
        return folder.resolve(".cache/camel-llm-worker/hub/models--org--name/snapshots/" + COMMIT);
    }

    private void offerSmallFiles() {
        for (var name : List.of("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")) {
            offer(name, "{}".getBytes(StandardCharsets.US_ASCII));
        }
    }

    private void offer(String name, byte[] content) {
        siblings.add(described(name, content));
        var blob = "/blob/" + name;
        hub.on(resolve(name), redirect(hub.address(blob).toString()));
        hub.on(blob, file(content, "\"e\""));
    }

    private void list() {
        var list = "{\"sha\":\"" + COMMIT + "\",\"siblings\":[" + String.join(",", siblings) + "]}";
        hub.on("/api/models/org/name", text(list));
    }

    private static String described(String name, byte[] content) {
        return "{\"rfilename\":\"%s\",\"size\":%d,\"lfs\":{\"sha256\":\"%s\"}}"
                .formatted(name, content.length, DownloadCase.sha256(content));
    }

    private static List<String> names(Path folder) throws IOException {
        try (var files = Files.list(folder)) {
            return files.map(file -> file.getFileName().toString()).sorted().toList();
        }
    }

    private LocatedModel locate(String model) throws IOException, InterruptedException {
        environment.put("MODEL", model);
        var backoff = new Backoff(3, 1, 1, _ -> {});
        return new ModelLocator(environment::get, hub.reader(), folder.resolve("runpod"), backoff).locate();
    }

    private String refusal(String model) {
        return String.valueOf(assertThrows(ModelUnavailableException.class, () -> locate(model))
                .getMessage());
    }

    private static String resolve(String file) {
        return "/org/name/resolve/" + COMMIT + "/" + file;
    }
}
