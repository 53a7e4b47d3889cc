package dev.llmworker.hub.download;

import static dev.llmworker.testing.LoopbackServer.redirect;
import static dev.llmworker.testing.LoopbackServer.text;
import static dev.llmworker.testing.LoopbackServer.with;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.LoopbackServer;
import java.io.IOException;
import java.net.URI;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class WebClientTest {
    private static final String HASH = "0123456789abcdef".repeat(4);

    private LoopbackServer hub;
    private LoopbackServer elsewhere;

    @BeforeEach
    void open() throws IOException {
        hub = new LoopbackServer();
        elsewhere = new LoopbackServer();
    }

    @AfterEach
    void close() {
        hub.close();
        elsewhere.close();
    }

    @Test
    void theTokenGoesToItsOwnServerAndNoFurther() throws Exception {
        hub.on("/file", redirect("/moved"));
        hub.on("/moved", redirect(elsewhere.address("/blob?signature=s").toString()));
        elsewhere.on("/blob", text("bytes"));

        try (var web = client(new WebClient.Credential(hub.address("/"), "secret"));
                var answer = web.get(hub.address("/file"), Map.of())) {
            assertEquals("bytes", WebClient.text(answer, 100));
        }

        assertEquals("Bearer secret", hub.requests().get(0).header("Authorization"));
        assertEquals("Bearer secret", hub.requests().get(1).header("Authorization"));
        assertEquals("/blob?signature=s", elsewhere.requests().getFirst().pathAndQuery());
        assertEquals("", elsewhere.requests().getFirst().header("Authorization"));
    }

    @Test
    void theHashOfAFileIsTheOneThatItsOwnServerNames() throws Exception {
        hub.on(
                "/file",
                with(
                        "X-Linked-Etag",
                        '"' + HASH + '"',
                        redirect(elsewhere.address("/blob").toString())));
        elsewhere.on("/blob", with("ETag", '"' + "f".repeat(64) + '"', text("bytes")));

        try (var web = client(null);
                var first = web.get(hub.address("/file"), Map.of());
                var second = web.get(elsewhere.address("/blob"), Map.of())) {
            assertEquals(HASH, first.announcedSha256());
            assertEquals("f".repeat(64), second.announcedSha256());
        }
    }

    @Test
    void anEtagOfAnotherKindIsNoHash() throws Exception {
        hub.on("/file", with("ETag", "\"0123456789abcdef0123456789abcdef01234567\"", text("bytes")));

        try (var web = client(null);
                var answer = web.get(hub.address("/file"), Map.of())) {
            assertNull(answer.announcedSha256());
        }
    }

    @Test
    void aCircleOfRedirectsEnds() {
        hub.on("/file", redirect("/file"));

        try (var web = client(null)) {
            var refused = assertThrows(ModelUnavailableException.class, () -> web.get(hub.address("/file"), Map.of()));
            assertEquals(hub.address("/file") + ": more than 10 redirects", refused.getMessage());
        }
        assertEquals(11, hub.requests().size());
    }

    @Test
    void aRedirectThatLeavesTheWebIsRefused() {
        hub.on("/file", redirect("file:///etc/passwd"));

        try (var web = client(null)) {
            assertThrows(ModelUnavailableException.class, () -> web.get(hub.address("/file"), Map.of()));
        }
    }

    @Test
    void aTooLongListIsRefused() throws Exception {
        hub.on("/list", text("x".repeat(101)));

        try (var web = client(null);
                var answer = web.get(hub.address("/list"), Map.of())) {
            assertThrows(ModelUnavailableException.class, () -> WebClient.text(answer, 100));
        }
    }

    @Test
    void aServerThatCannotBeReachedIsWorthAnotherAttempt() {
        var gone = hub.address("/file");
        hub.close();

        try (var web = client(null)) {
            assertThrows(TransferException.class, () -> web.get(gone, Map.of()));
        }
    }

    @Test
    void neitherTokensNorSignaturesAreShown() {
        var address = URI.create("https://user:password@host.example/path/model.gguf?signature=s");

        assertEquals("https://host.example/path/model.gguf", WebClient.shown(address));
        var credential = new WebClient.Credential(URI.create("https://host.example"), "secret");
        assertFalse(credential.toString().contains("secret"), credential.toString());
    }

    @Test
    void theTokenIsBoundToSchemeHostAndPort() {
        var credential = new WebClient.Credential(URI.create("https://host.example"), "secret");

        assertTrue(credential.isFor(URI.create("https://HOST.example:443/x")));
        assertFalse(credential.isFor(URI.create("http://host.example/x")));
        assertFalse(credential.isFor(URI.create("https://host.example:8443/x")));
        assertFalse(credential.isFor(URI.create("https://host.example.evil.example/x")));
    }

    private static WebClient client(WebClient.@Nullable Credential credential) {
        return new WebClient(credential, Duration.ofSeconds(10));
    }
}
