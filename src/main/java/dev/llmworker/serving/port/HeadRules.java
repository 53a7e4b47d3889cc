package dev.llmworker.serving.port;

import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestFields;
import io.vertx.core.MultiMap;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Checks a request's head beyond what the codec checks. It rejects a head that two readers could understand
/// differently: for which host it is, or where the next request begins.
final class HeadRules {
    /// Of two keys one reader would take the first, another the last.
    private static final List<String> AT_MOST_ONCE = List.of("Authorization", "X-API-Key");

    private HeadRules() {}

    /// @return null if nothing is wrong
    static @Nullable JsonError refusal(HttpServerRequest request) {
        var headers = request.headers();
        var framing = framing(request.version(), headers);
        if (framing != null) {
            // It is unclear where the body ends, so nothing after it can be read.
            var response = request.response();
            response.putHeader("Connection", "close")
                    .endHandler(_ -> request.connection().close());
            return bad(framing);
        }
        if (headers.contains("")) {
            return bad("a header has no name");
        }
        var hosts = headers.getAll("Host").size();
        if (hosts > 1 || hosts == 0 && request.version() == HttpVersion.HTTP_1_1) {
            return bad("the request has " + hosts + " Host headers; it must have one");
        }
        for (var name : AT_MOST_ONCE) {
            var lines = headers.getAll(name).size();
            if (lines > 1) {
                return bad("the request has " + lines + " " + name + " headers; it may have one");
            }
        }
        var encoding = headers.get("Content-Encoding");
        if (encoding != null && !encoding.strip().equalsIgnoreCase("identity")) {
            return JsonError.of(
                    415,
                    "unsupported_media_type",
                    "Content-Encoding is \"" + RequestFields.shortened(encoding) + "\"; bodies must not be encoded");
        }
        return null;
    }

    private static @Nullable String framing(HttpVersion version, MultiMap headers) {
        var coding = headers.get("Transfer-Encoding");
        if (coding == null) {
            return null;
        }
        if (headers.contains("Content-Length")) {
            return "the request has both Content-Length and Transfer-Encoding; it must have one";
        }
        if (version == HttpVersion.HTTP_1_0) {
            return "HTTP/1.0 has no Transfer-Encoding";
        }
        if (!coding.strip().equalsIgnoreCase("chunked")) {
            return "Transfer-Encoding is \"" + RequestFields.shortened(coding) + "\"; it must be chunked";
        }
        return null;
    }

    private static JsonError bad(String message) {
        return JsonError.of(400, "bad_request", message);
    }
}
