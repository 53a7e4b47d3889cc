package dev.llmworker.serving.beans;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.testing.RunningWorker;
import dev.llmworker.testing.WorkerExtension;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Base64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/// The page at `/`, as it comes over the wire; `src/test/clients/page.mjs` uses it in a browser.
class PageTest {
    @RegisterExtension
    static final WorkerExtension worker = WorkerExtension.mock().with("API_KEYS", "a-key-that-the-page-needs-not");

    private static String header(HttpResponse<?> answer, String name) {
        return answer.headers().firstValue(name).orElse("");
    }

    @Test
    void itNeedsNoKey() throws Exception {
        var page = worker.get("/");
        assertEquals(200, page.statusCode());
        assertEquals("text/html; charset=utf-8", header(page, "Content-Type"));
        assertTrue(page.body().startsWith("<!doctype html>"));
        assertEquals(401, worker.get("/stats").statusCode());
    }

    @Test
    void headAnswersWithoutTheBodyAndOthersAreRefused() throws Exception {
        var head = RunningWorker.send(worker.request("/").HEAD());
        assertEquals(200, head.statusCode());
        assertEquals("", head.body());
        var post = RunningWorker.send(worker.request("/")
                .header("X-API-Key", "a-key-that-the-page-needs-not")
                .method("PUT", HttpRequest.BodyPublishers.noBody()));
        assertEquals(405, post.statusCode());
        assertEquals("GET, HEAD", header(post, "Allow"));
    }

    @Test
    void aBrowserThatHasItIsToldSo() throws Exception {
        var page = worker.get("/");
        assertEquals("no-cache", header(page, "Cache-Control"));
        var again = RunningWorker.send(worker.request("/").header("If-None-Match", header(page, "ETag")));
        assertEquals(304, again.statusCode());
        assertEquals("", again.body());
    }

    @Test
    void itsPolicyLetsNothingRunButItself() throws Exception {
        var page = worker.get("/");
        var policy = header(page, "Content-Security-Policy");
        assertTrue(policy.startsWith("default-src 'none'; "), policy);
        assertFalse(policy.contains("unsafe"), policy);
        for (var element : new String[] {"script", "style"}) {
            var begin = page.body().indexOf("<" + element + ">") + element.length() + 2;
            var text = page.body().substring(begin, page.body().indexOf("</" + element + ">"));
            var hash = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            assertTrue(policy.contains(
                    element + "-src 'sha256-" + Base64.getEncoder().encodeToString(hash) + "'"));
        }
        assertEquals("nosniff", header(page, "X-Content-Type-Options"));
    }

    @Test
    void itAsksNobodyElse() throws Exception {
        var html = worker.get("/").body().replace("http://www.w3.org/2000/svg", "");
        assertFalse(html.contains("http://") || html.contains("https://"), "no address of another host");
        assertFalse(
                html.matches("(?s).*\\s(src|on[a-z]+|style)=\".*"), "no resource, handler or style outside the policy");
    }
}
