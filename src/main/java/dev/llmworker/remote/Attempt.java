package dev.llmworker.remote;

import dev.llmworker.generation.RefusedException;
import io.vertx.core.Context;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientRequest;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/// One request to one server, and its answer as it comes. Aborting it closes the connection, which ends the work
/// there.
///
/// Threading: the event loop of its generation.
final class Attempt {
    private static final int OK = 200;
    private static final String STREAM = "text/event-stream";
    private static final int MAX_ERROR_BYTES = 64 << 10;
    private static final long ERROR_MILLIS = 1000;
    // How long a server may keep its answer open after the last event.
    private static final long DRAIN_MILLIS = 1000;

    private final RemoteServer server;
    private final Listener listener;
    private final Vertx vertx;
    private @Nullable HttpClientRequest request;
    private @Nullable HttpClientResponse response;
    private boolean over;
    private boolean drained;

    /// Receives events until a failure or the end.
    interface Listener extends EventParser.Events {
        /// The server has begun to answer.
        void accepted();

        void failed(Failure failure);

        /// @param bytes that are held of an event that is not whole yet
        void holds(long bytes);

        /// The answer has no more bytes.
        void ended();
    }

    Attempt(RemoteServer server, Context context, Listener listener) {
        this.server = server;
        this.vertx = context.owner();
        this.listener = listener;
    }

    RemoteServer server() {
        return server;
    }

    /// @throws RefusedException if the server cannot be asked this
    void start(HttpClient client, ApiRequest question, String model, @Nullable String apiKey) {
        // Before there is a connection that somebody would have to close.
        var body = question.json(model, server.dialect());
        client.request(options(question, apiKey)).onComplete(opened -> {
            if (opened.failed()) {
                fail(Failure.unreachable(opened.cause()));
                return;
            }
            var sent = opened.result();
            if (over) {
                sent.reset();
                return;
            }
            request = sent;
            sent.send(body).onComplete(answered -> {
                if (answered.failed()) {
                    fail(Failure.broken(
                            "the engine's server closed the connection without an answer",
                            "no answer: " + answered.cause().getMessage()));
                } else if (!over) {
                    read(answered.result());
                }
            });
        });
    }

    private RequestOptions options(ApiRequest question, @Nullable String apiKey) {
        var address = server.address();
        var options = address.request(HttpMethod.POST, address.apiPath() + question.path(), apiKey)
                .putHeader("Content-Type", "application/json")
                .putHeader("Accept", STREAM);
        if (!question.requestId().isEmpty()) {
            options.putHeader("X-Request-Id", question.requestId());
        }
        return options;
    }

    private void read(HttpClientResponse answer) {
        response = answer;
        if (answer.statusCode() != OK) {
            readError(answer);
            return;
        }
        answer.exceptionHandler(cause -> fail(cut("its stream broke: " + cause.getMessage())));
        var type = String.valueOf(answer.getHeader("Content-Type"));
        if (!type.regionMatches(true, 0, STREAM, 0, STREAM.length())) {
            fail(Failure.broken(
                    "the engine's server does not answer with an event stream", "answers with Content-Type " + type));
            return;
        }
        var parser = new EventParser(listener);
        answer.endHandler(_ -> {
                    drained = true;
                    if (!over) {
                        listener.ended();
                    }
                })
                .handler(bytes -> {
                    server.heard();
                    try {
                        if (!over) {
                            parser.feed(bytes.getBytes());
                        }
                        if (!over) {
                            listener.holds(parser.heldBytes());
                        }
                    } catch (IOException e) {
                        fail(Failure.broken("the engine's server sent an invalid answer", e.getMessage() + ""));
                    }
                });
        listener.accepted();
    }

    static Failure cut(String detail) {
        return Failure.broken("the engine's server ended its answer too early", detail);
    }

    private void readError(HttpClientResponse answer) {
        var body = Buffer.buffer();
        var timer = vertx.setTimer(ERROR_MILLIS, _ -> failByStatus(answer, body));
        answer.exceptionHandler(_ -> failByStatus(answer, body))
                .endHandler(_ -> {
                    vertx.cancelTimer(timer);
                    drained = true;
                    failByStatus(answer, body);
                })
                .handler(bytes -> {
                    body.appendBuffer(bytes);
                    if (body.length() > MAX_ERROR_BYTES) {
                        failByStatus(answer, body);
                    }
                });
    }

    private void failByStatus(HttpClientResponse answer, Buffer body) {
        fail(Failure.status(
                answer.statusCode(), answer.getHeader("Retry-After"), body.toString(StandardCharsets.UTF_8)));
    }

    private void fail(Failure failure) {
        if (!over) {
            abort();
            listener.failed(failure);
        }
    }

    /// Stops reading, so that the server has to wait.
    void pause() {
        if (response != null && !over) {
            response.pause();
        }
    }

    void resume() {
        if (response != null && !over) {
            response.resume();
        }
    }

    /// The answer is complete. The connection is kept if the server ends its answer soon.
    void finish() {
        over = true;
        if (!drained) {
            if (response != null) {
                response.resume();
            }
            vertx.setTimer(DRAIN_MILLIS, _ -> reset());
        }
    }

    void abort() {
        over = true;
        reset();
    }

    private void reset() {
        if (!drained && request != null) {
            request.reset();
        }
    }
}
