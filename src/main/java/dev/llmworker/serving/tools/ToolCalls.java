package dev.llmworker.serving.tools;

import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.wire.RequestLog;
import dev.llmworker.serving.wire.UsesRegex;
import dev.llmworker.text.WholeCharacters;
import dev.llmworker.text.chat.ToolCall;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Runs calls of routes for one exchange, one after the other. If a route fails, the result is an error for the model.
///
/// @param allowed which tools may be called
/// @param exchange for which the model answers
@UsesRegex("the message of an exception, cut to MAX_ERROR_READ")
public record ToolCalls(RouteTools tools, Predicate<RouteTool> allowed, Caller caller, Exchange exchange) {
    private static final Logger LOG = LoggerFactory.getLogger(ToolCalls.class);

    /// The longest result; the context of most models holds less.
    private static final int MAX_RESULT_CHARACTERS = 1 << 18;

    private static final int MAX_ERROR_READ = 1000;
    private static final int MAX_ERROR_CHARACTERS = 200;

    /// Names of classes, addresses of other servers, and paths of files.
    private static final Pattern INTERNAL = Pattern.compile("\\b(?:[a-z_]\\w{0,60}\\.){1,12}[A-Z][\\w$]{0,100}(?:: )?"
            + "|\\b[a-z][a-z0-9+.-]{0,20}://\\S*"
            + "|[^\\s/:]{0,100}/?\\b\\d{1,3}(?:\\.\\d{1,3}){3}\\b(?::\\d{1,5})?"
            + "|\\b(?:localhost|[\\w-]{1,63}(?:\\.[\\w-]{1,63}){1,10}):\\d{2,5}\\b"
            + "|(?<![\\w/.])\\.{0,2}/[^\\s:,;]+");

    /// How a call ended.
    ///
    /// @param name `ok`, or what went wrong
    /// @param text for the model
    public record Outcome(String name, String text) {
        private static final String OK = "ok";

        public boolean isOk() {
            return name.equals(OK);
        }
    }

    /// Runs one call.
    ///
    /// @throws TimeoutException if the time is over, or the client has disconnected or cancelled the request
    public Outcome run(ToolCall call, Duration timeout) throws InterruptedException, TimeoutException {
        var began = System.nanoTime();
        var outcome = "interrupted";
        Outcome result;
        try {
            result = outcome(call, timeout);
            outcome = result.name;
        } catch (TimeoutException e) {
            outcome = caller.client().isUnwanted() ? "cancelled" : "timeout";
            throw e;
        } finally {
            RequestLog.called(
                    caller.client().requestId(),
                    caller.route(),
                    caller.client().keyLabel(),
                    call.name(),
                    call.id(),
                    outcome,
                    System.nanoTime() - began);
        }
        if (caller.client().isUnwanted()) {
            // Nobody waits for the next answer.
            throw new TimeoutException();
        }
        return result;
    }

    private Outcome outcome(ToolCall call, Duration timeout) throws InterruptedException, TimeoutException {
        var tool = tools.find(call.name(), allowed);
        if (tool == null) {
            return new Outcome("unknown", "Error: there is no tool " + call.name() + ".");
        }
        Map<String, @Nullable Object> arguments;
        try {
            arguments = tool.arguments().read(call.arguments());
        } catch (IllegalArgumentException e) {
            return new Outcome("invalid", "Error: " + e.getMessage() + ".");
        }
        var result = new FutureTask<>(() -> tool.call(arguments, exchange));
        var thread = Thread.ofVirtual().name("tool-" + call.name()).start(result);
        try (var _ = caller.client().onUnwanted(() -> result.cancel(true))) {
            var text = result.get(timeout.toNanos(), TimeUnit.NANOSECONDS);
            return text.length() > MAX_RESULT_CHARACTERS
                    ? new Outcome(
                            "too_long",
                            "Error: the result has " + text.length() + " characters; the limit is "
                                    + MAX_RESULT_CHARACTERS + ".")
                    : new Outcome(Outcome.OK, text);
        } catch (ExecutionException e) {
            if (caller.client().isUnwanted()) {
                throw new TimeoutException();
            }
            var cause = e.getCause() == null ? e : e.getCause();
            LOG.warn("tool {} of route {} failed: {}", call.name(), tool.route(), cause.toString());
            return new Outcome("failed", "Error: the tool failed" + said(cause));
        } catch (java.util.concurrent.CancellationException _) {
            throw new TimeoutException();
        } finally {
            thread.interrupt();
        }
    }

    /// What an exception says, without what is of the server.
    private static String said(Throwable failure) {
        var message = failure.getMessage();
        if (message == null) {
            return ".";
        }
        var read = WholeCharacters.beginning(message, Math.min(MAX_ERROR_READ, message.length()));
        var line = read.lines().findFirst().orElse("");
        var shown = INTERNAL.matcher(line).replaceAll("").strip();
        if (shown.isEmpty()) {
            return ".";
        }
        return ": " + WholeCharacters.beginning(shown, Math.min(MAX_ERROR_CHARACTERS, shown.length()));
    }
}
