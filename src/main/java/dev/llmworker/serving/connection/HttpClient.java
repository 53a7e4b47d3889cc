package dev.llmworker.serving.connection;

import dev.llmworker.serving.access.Access;
import dev.llmworker.serving.access.ApiKey;
import dev.llmworker.serving.wire.RequestId;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpServerResponse;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The client of an HTTP request.
///
/// Threading: any thread; a thread that sends waits while the client does not read.
public final class HttpClient implements Client {
    private final HttpServerResponse response;
    private final String path;
    private final @Nullable ApiKey key;
    private final QuietStreams streams;
    private final Departure departure = new Departure();
    private final Departure cancellation = new Departure();
    private @Nullable WriteWindow window;
    private boolean watched;

    /// @param streams the event streams of the port
    public HttpClient(HttpServerRequest request, QuietStreams streams) {
        this.streams = streams;
        response = request.response();
        path = request.path();
        key = Access.key(request);
    }

    public HttpServerResponse response() {
        return response;
    }

    public String path() {
        return path;
    }

    @Override
    public String requestId() {
        return RequestId.of(response);
    }

    @Override
    public @Nullable ApiKey key() {
        return key;
    }

    @Override
    public void say(Map<String, String> headers) {
        if (!headers.isEmpty() && !response.headWritten() && !response.closed()) {
            headers.forEach(response::putHeader);
        }
    }

    /// Routes see no request that the port did not let in.
    @Override
    public boolean isAdmitted() {
        return true;
    }

    @Override
    public boolean isGone() {
        return response.closed();
    }

    @Override
    public Departure.Watch onGone(Runnable task) {
        watch();
        return departure.add(task);
    }

    @Override
    public Departure cancellation() {
        return cancellation;
    }

    @Override
    public boolean cancel() {
        if (response.ended() || response.closed()) {
            return false;
        }
        cancellation.happen(() -> {});
        return true;
    }

    /// Most requests have no use for the handler: it is set when somebody asks.
    private synchronized void watch() {
        if (!watched) {
            watched = true;
            response.closeHandler(_ -> departure.happen(() -> {}));
            if (response.closed()) {
                departure.happen(() -> {});
            }
        }
    }

    /// Writes a part of the body, and waits while too many are unwritten.
    ///
    /// @return false if the client has disconnected
    public boolean send(String text) {
        if (response.closed()) {
            return false;
        }
        var window = window();
        window.add(text.length());
        response.write(text).onComplete(_ -> window.written(text.length()));
        window.await();
        return !response.closed();
    }

    /// The answer is a stream that begins now.
    ///
    /// @param whenSilent says something on it; called on a thread of its own
    public QuietStreams.Stream beginStream(Runnable whenSilent) {
        return streams.begin(whenSilent);
    }

    private synchronized WriteWindow window() {
        var current = window;
        if (current == null) {
            current = new WriteWindow(() -> {});
            window = current;
            var _ = onGone(current::close);
        }
        return current;
    }
}
