package dev.llmworker.serving.wire;

import dev.llmworker.stats.FinishedGeneration;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.spi.LoggingEventBuilder;

/// The log's line for each generation, and for each request that is refused: `finished id=… route=… reason=…`. In the
/// JSON format what stands in it is in fields of the same names, too. No prompt, text, key or path is ever there.
public final class RequestLog {
    private static final Logger LOG = LoggerFactory.getLogger("dev.llmworker.Requests");

    private static final String NO_ROUTE = "";
    /// By the id of a route.
    private static final Map<String, LineLimit> REFUSALS = new ConcurrentHashMap<>();

    private final LoggingEventBuilder event = LOG.atInfo();
    private final StringBuilder text;

    private RequestLog(String what) {
        text = new StringBuilder(what);
    }

    /// The line for a call of a tool that is a route. The values of arguments are not in it.
    ///
    /// @param id of the request; empty if no client sent one
    /// @param route that the request entered
    /// @param call the id of the call
    /// @param outcome `ok`, or what went wrong
    public static void called(
            String id, String route, @Nullable String key, String tool, String call, String outcome, long nanos) {
        new RequestLog("called")
                .add("id", id)
                .add("route", route)
                .add("key", key)
                .add("tool", tool)
                .add("call", call)
                .add("outcome", outcome)
                .addMillis("total", nanos)
                .log();
    }

    /// @param id of the request; empty if no client sent one
    /// @param key label of the API key; null if the request came with none
    public static void finished(String id, String route, @Nullable String key, FinishedGeneration ended) {
        if (!LOG.isInfoEnabled()) {
            return;
        }
        new RequestLog("finished")
                .add("id", id)
                .add("route", route)
                .add("key", key)
                .add("reason", ended.reason())
                .add("prompt", ended.promptTokens())
                .add("completion", ended.completionTokens())
                .add("cached", ended.cachedTokens())
                .add("wasted", ended.wastedTokens())
                .addMillis("queue", ended.queuedNanos())
                .addMillis("ttft", ended.firstTokenNanos())
                .addMillis("total", ended.totalNanos())
                .log();
    }

    /// @param route null if no route took it
    public static void refused(@Nullable String id, @Nullable String route, JsonError error) {
        if (LOG.isInfoEnabled() && admits(route == null ? NO_ROUTE : route)) {
            new RequestLog("refused")
                    .add("id", id)
                    .add("route", route)
                    .add("status", error.status())
                    .add("code", error.code())
                    .log();
        }
    }

    /// A refusal costs a client next to nothing: some bytes before any route, or a frame. So their lines are limited.
    private static boolean admits(String route) {
        var left = REFUSALS.computeIfAbsent(route, _ -> new LineLimit(System::nanoTime))
                .admit();
        if (left > 0) {
            var place = route.equals(NO_ROUTE) ? "before any route" : "on route " + route;
            LOG.info("refused {} more requests {}; not each has a line", left, place);
        }
        return left >= 0;
    }

    private RequestLog add(String name, @Nullable String value) {
        if (value != null && !value.isEmpty()) {
            text.append(' ').append(name).append('=').append(value);
            var _ = event.addKeyValue(name, value);
        }
        return this;
    }

    private RequestLog add(String name, int value) {
        text.append(' ').append(name).append('=').append(value);
        var _ = event.addKeyValue(name, value);
        return this;
    }

    /// Left out if it is negative.
    private RequestLog addMillis(String name, long nanos) {
        if (nanos >= 0) {
            long millis = TimeUnit.NANOSECONDS.toMillis(nanos);
            text.append(' ').append(name).append('=').append(millis).append("ms");
            var _ = event.addKeyValue(name + "_ms", millis);
        }
        return this;
    }

    private void log() {
        event.log(text.toString());
    }
}
