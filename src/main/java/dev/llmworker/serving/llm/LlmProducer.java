package dev.llmworker.serving.llm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.generation.AnswerFormat;
import dev.llmworker.generation.AnswerParts;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.generation.Prompt;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.TimedAnswer;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.tools.ToolCalls;
import dev.llmworker.serving.tools.ToolLoop;
import dev.llmworker.serving.wire.AnswerException;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.answer.AnswerCheck;
import dev.llmworker.text.tools.ToolChoice;
import dev.llmworker.text.tools.ToolUse;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import org.apache.camel.Exchange;
import org.apache.camel.ExchangeTimedOutException;
import org.apache.camel.support.DefaultProducer;
import org.jspecify.annotations.Nullable;

/// Generates the text of one message after another. A text is complete, or was ended by `max_tokens`. Anything else is
/// an exception, so that no route takes half an answer for a whole one. So is an answer with a format that was cut.
///
/// Threading: the route's threads, which wait for their text.
final class LlmProducer extends DefaultProducer {
    private static final ObjectMapper VALUES = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final LlmComponent.Serving serving;
    private final LlmOptions options;

    LlmProducer(LlmEndpoint endpoint, LlmComponent.Serving serving, LlmOptions options) {
        super(endpoint);
        this.serving = serving;
        this.options = options;
    }

    @Override
    public void process(Exchange exchange) throws Exception {
        var message = exchange.getMessage();
        var request = WireFormat.request(options.request(message))
                .withRequestId(Client.of(exchange).requestId());
        var began = System.nanoTime();
        var check = check(request.format());
        var timeout = left(exchange, began);
        var result =
                options.tools().isEmpty() ? once(request, exchange, timeout) : withTools(request, exchange, timeout);
        var answer = result.answer();
        var ending = result.ending();
        switch (ending.finished().reason()) {
            case STOP, TOOL_CALLS, CONTENT_FILTER, LENGTH -> {}
            case ERROR -> throw failed(ending.finished());
            case TIMEOUT -> throw timedOut(exchange, began);
            case CANCELLED -> {
                if (answer.isTimeUp()) {
                    throw timedOut(exchange, began);
                }
                throw cancelled(exchange);
            }
        }
        message.setBody(body(answer.whole().text(), ending, check));
        message.setHeader(LlmConstants.FINISH_REASON, ending.reason());
        message.setHeader(LlmConstants.PROMPT_TOKENS, ending.finished().promptTokens());
        message.setHeader(LlmConstants.COMPLETION_TOKENS, ending.finished().completionTokens());
    }

    private static RuntimeException failed(GenerationEvent.Finished finished) {
        return finished.failure() == null
                ? new IllegalStateException("the engine failed at this prompt; the log has the cause")
                : new RequestException(JsonError.failed(finished));
    }

    private static CancellationException cancelled(Exchange exchange) {
        return new CancellationException(
                Client.of(exchange).isGone() ? "the client has left" : "the generation was cancelled");
    }

    /// What compiling the format has left of the time limit; zero if there is none.
    private Duration left(Exchange exchange, long beganNanos) throws ExchangeTimedOutException {
        if (options.timeout().isZero()) {
            return Duration.ZERO;
        }
        var left = options.timeout().minusNanos(System.nanoTime() - beganNanos);
        if (!left.isPositive()) {
            throw timedOut(exchange, beganNanos);
        }
        return left;
    }

    /// @param limit zero for none
    private ToolLoop.Result once(GenerationRequest request, Exchange exchange, Duration limit)
            throws InterruptedException {
        var answer = new TimedAnswer(Caller.of(exchange), serving.vertx(), limit);
        return new ToolLoop.Result(answer, patiently(request, answer, exchange, true));
    }

    /// Lets the model call routes.
    ///
    /// @param limit zero for the worker's
    private ToolLoop.Result withTools(GenerationRequest request, Exchange exchange, Duration limit)
            throws InterruptedException {
        if (!(request.prompt() instanceof Prompt.Chat)) {
            throw RequestException.invalid("raw", "raw is true, and the step has tools; they need a conversation");
        }
        var offered = serving.tools().ofStep(options.tools()).stream()
                .map(tool -> tool.arguments().tool())
                .toList();
        var caller = Caller.of(exchange);
        var worker = serving.requestTimeout();
        var timeout = limit.isZero() || limit.compareTo(worker) > 0 ? worker : limit;
        var loop = new ToolLoop(
                serving.generations()::hold,
                new ToolCalls(serving.tools(), RouteTools.isForStep(options.tools()), caller, exchange),
                _ -> false,
                options.maxToolRounds(),
                timeout,
                left -> new TimedAnswer(caller, serving.vertx(), left),
                (next, answer, isFirst) -> patiently(next, answer, exchange, isFirst));
        return loop.run(
                request.withParts(new AnswerParts(new ToolUse(offered, ToolChoice.AUTO, true), OptionalInt.empty())));
    }

    /// What the answer must be, if the step says so.
    ///
    /// @throws RequestException if that cannot be enforced
    private @Nullable AnswerCheck check(@Nullable AnswerFormat format) {
        if (options.format() == null || format == null) {
            return null;
        }
        var check = switch (format) {
            case AnswerFormat.Json json -> AnswerCheck.ofSchema(json.schema());
            case AnswerFormat.Pattern pattern -> AnswerCheck.ofRegex(pattern.regex());
            case AnswerFormat.Choice choice -> AnswerCheck.ofChoice(choice.options());
        };
        try {
            check.prepare();
            return check;
        } catch (IllegalArgumentException e) {
            throw RequestException.invalid(format.field() + ": " + e.getMessage());
        }
    }

    /// The text, or the value that it is the JSON of.
    ///
    /// @throws AnswerException if it is not what the format says, because it was cut or another server wrote it
    private @Nullable Object body(String text, Ending ending, @Nullable AnswerCheck check) {
        var format = options.format();
        if (format == null || check == null) {
            return text;
        }
        if (ending.finished().reason() == FinishReason.LENGTH) {
            throw new AnswerException(
                    "the answer was cut after " + ending.finished().completionTokens() + " tokens, so it is not what "
                            + format.option + " says; raise maxTokens");
        }
        if (!format.isJson()) {
            requireValid(text, format, check);
            return text;
        }
        try {
            var value = VALUES.readValue(text, Object.class);
            requireValid(text, format, check);
            return value;
        } catch (JsonProcessingException _) {
            throw new AnswerException("the answer is not JSON, as " + format.option + " says it must be");
        }
    }

    private static void requireValid(String text, LlmOptions.Format format, AnswerCheck check) {
        boolean isValid;
        try {
            isValid = check.accepts(text);
        } catch (IllegalArgumentException e) {
            throw new AnswerException("the answer cannot be checked against " + format.option + ": " + e.getMessage());
        }
        if (!isValid) {
            throw new AnswerException("the answer is not what " + format.option + " says it must be");
        }
    }

    private static ExchangeTimedOutException timedOut(Exchange exchange, long beganNanos) {
        return new ExchangeTimedOutException(exchange, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNanos));
    }

    /// Tries again while the model loads or the queue is full, until the time for retries is over.
    private Ending patiently(GenerationRequest request, TimedAnswer answer, Exchange exchange, boolean isFirst)
            throws InterruptedException {
        return new Patience(options.patience()).run(exchange, () -> {
            if (answer.isUnwanted()) {
                throw cancelled(exchange);
            }
            return isFirst ? answer.of(serving.generations(), request) : answer.more(serving.generations(), request);
        });
    }
}
