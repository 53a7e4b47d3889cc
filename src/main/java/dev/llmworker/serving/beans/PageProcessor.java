package dev.llmworker.serving.beans;

import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.wire.UsesRegex;
import io.vertx.core.http.HttpServerResponse;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.regex.Pattern;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;
import org.jspecify.annotations.Nullable;

/// The bean `page`: a page to try the worker from a browser, in one file of the jar. Its policy lets nothing run but
/// the page's own script and style, by their hashes, and nothing be reached but this worker.
@UsesRegex("the worker's own page")
final class PageProcessor implements Processor {
    private static final String FILE = "page.html";
    private static final Pattern SCRIPT = Pattern.compile("<script>(.*?)</script>", Pattern.DOTALL);
    private static final Pattern STYLE = Pattern.compile("<style>(.*?)</style>", Pattern.DOTALL);
    private static final int NOT_MODIFIED = 304;

    private volatile @Nullable Page page;

    /// @param tag changes with the page
    private record Page(byte[] html, String tag, String policy) {}

    @Override
    public void process(Exchange exchange) {
        if (!(Client.of(exchange) instanceof HttpClient client)) {
            throw new IllegalStateException("the bean page serves routes from platform-http only");
        }
        var current = page();
        putHeaders(client.response(), current);
        var message = exchange.getMessage();
        if (current.tag.equals(message.getHeader("If-None-Match"))) {
            message.setHeader(Exchange.HTTP_RESPONSE_CODE, NOT_MODIFIED);
            message.setBody(null);
        } else {
            message.setHeader(Exchange.CONTENT_TYPE, "text/html; charset=utf-8");
            message.setBody(current.html);
        }
    }

    /// On the response itself, because Camel keeps `Cache-Control` out of answers.
    private static void putHeaders(HttpServerResponse response, Page page) {
        response.putHeader("Cache-Control", "no-cache")
                .putHeader("ETag", page.tag)
                .putHeader("Content-Security-Policy", page.policy)
                .putHeader("X-Content-Type-Options", "nosniff")
                .putHeader("Referrer-Policy", "no-referrer")
                .putHeader("Cross-Origin-Opener-Policy", "same-origin");
    }

    private Page page() {
        var read = page;
        if (read == null) {
            read = read();
            page = read;
        }
        return read;
    }

    private static Page read() {
        try (var file = PageProcessor.class.getResourceAsStream(FILE)) {
            if (file == null) {
                throw new IllegalStateException(FILE + " is not in the jar");
            }
            var html = file.readAllBytes();
            var text = new String(html, StandardCharsets.UTF_8);
            return new Page(html, '"' + hash(text) + '"', policy(text));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String policy(String html) {
        return "default-src 'none'; script-src 'sha256-" + hash(inside(SCRIPT, html)) + "'; style-src 'sha256-"
                + hash(inside(STYLE, html))
                + "'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    }

    private static String inside(Pattern element, String html) {
        var found = element.matcher(html);
        if (!found.find()) {
            throw new IllegalStateException(FILE + " has no " + element);
        }
        return html.substring(found.start(1), found.end(1));
    }

    private static String hash(String text) {
        try {
            var digest = MessageDigest.getInstance("SHA-256").digest(text.getBytes(StandardCharsets.UTF_8));
            return Base64.getEncoder().encodeToString(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java has SHA-256", e);
        }
    }
}
