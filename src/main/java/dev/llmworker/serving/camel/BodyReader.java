package dev.llmworker.serving.camel;

import dev.llmworker.serving.memory.MemoryBudget;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import io.vertx.core.Handler;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpServerRequest;
import io.vertx.core.http.HttpVersion;
import io.vertx.ext.web.RoutingContext;
import io.vertx.ext.web.impl.RoutingContextInternal;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Reads the body of a request into memory, as far as `MAX_BODY_BYTES` and the budget for memory allow. The
/// bytes count until the route is done, because the prompts in them stay in memory for so long. Vert.x's own
/// handler counts nothing, and writes uploads to the disk.
///
/// Threading: the event loops.
record BodyReader(MemoryBudget budget, int maxBytes) implements Handler<RoutingContext> {
    private static final String MEMORY = "llmworker.bodyMemory";
    /// A prompt as Java has it can take two bytes for each that was sent.
    private static final long BYTES_PER_BYTE = 2;

    /// The memory of a request's body. Whoever runs the route closes it.
    static MemoryBudget.@Nullable Lease memory(RoutingContext request) {
        return request.get(MEMORY);
    }

    @Override
    public void handle(RoutingContext context) {
        var request = context.request();
        if (memory(context) != null || request.isEnded()) {
            // An earlier route has read it, and passed it on.
            context.next();
            return;
        }
        var length = request.getHeader("Content-Length");
        if (length == null && request.getHeader("Transfer-Encoding") == null) {
            context.next();
        } else if (length != null && isTooLong(length)) {
            context.fail(413);
        } else if (meetsExpectation(request)) {
            read(context);
        } else {
            context.fail(417);
        }
    }

    /// The codec has checked that it is a number.
    private boolean isTooLong(String length) {
        try {
            return Long.parseLong(length.strip()) > maxBytes;
        } catch (NumberFormatException _) {
            return true;
        }
    }

    private static boolean meetsExpectation(HttpServerRequest request) {
        var expected = request.getHeader("Expect");
        if (expected == null) {
            return true;
        }
        if (!expected.equalsIgnoreCase("100-continue")) {
            return false;
        }
        if (request.version() != HttpVersion.HTTP_1_0) {
            request.response().writeContinue();
        }
        return true;
    }

    private void read(RoutingContext context) {
        var reading = new Reading(context, budget.lease());
        context.put(MEMORY, reading.memory);
        context.request()
                .exceptionHandler(_ -> reading.fail(notHttp()))
                .endHandler(_ -> reading.end())
                .handler(reading);
    }

    private static RequestException notHttp() {
        return new RequestException(JsonError.of(400, "bad_request", "the body is not valid HTTP"));
    }

    /// One body that is being read.
    private final class Reading implements Handler<Buffer> {
        private final RoutingContext context;
        private final MemoryBudget.Lease memory;
        private @Nullable Buffer body = Buffer.buffer();
        private boolean ended;

        Reading(RoutingContext context, MemoryBudget.Lease memory) {
            this.context = context;
            this.memory = memory;
        }

        @Override
        public void handle(Buffer bytes) {
            var before = body;
            if (before == null) {
                return;
            }
            var neededBytes = bytes.length() * BYTES_PER_BYTE;
            if (before.length() + bytes.length() > maxBytes) {
                fail(new RequestException(
                        JsonError.of(413, "body_too_large", "the body is larger than " + maxBytes + " bytes")));
            } else if (!memory.take(neededBytes)) {
                fail(new RequestException(JsonError.overBudget(memory, neededBytes)));
            } else {
                before.appendBuffer(bytes);
            }
        }

        void end() {
            if (body != null) {
                ended = true;
                ((RoutingContextInternal) context).setBody(Objects.requireNonNull(body));
                body = null;
                context.next();
            }
        }

        /// The rest of the body is read and forgotten.
        void fail(RequestException failure) {
            if (ended) {
                return;
            }
            body = null;
            memory.close();
            if (!context.failed()) {
                context.fail(failure);
            }
        }
    }
}
