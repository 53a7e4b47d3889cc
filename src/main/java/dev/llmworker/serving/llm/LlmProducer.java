package dev.llmworker.serving.llm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationRequest;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.request.WireFormat;
import dev.llmworker.serving.wire.AnswerException;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import io.vertx.core.Vertx;
import java.time.Duration;
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
    private static final Duration FIRST_PAUSE = Duration.ofMillis(20);
    private static final Duration LONGEST_PAUSE = Duration.ofSeconds(1);

    private static final ObjectMapper VALUES = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private final Generations generations;
    private final Vertx vertx;
    private final LlmOptions options;

    LlmProducer(LlmEndpoint endpoint, Generations generations, Vertx vertx, LlmOptions options) {
        super(endpoint);
        this.generations = generations;
        this.vertx = vertx;
        this.options = options;
    }

    @Override
    public void process(Exchange exchange) throws Exception {
        var message = exchange.getMessage();
        var request = WireFormat.request(options.request(message))
                .withRequestId(Client.of(exchange).requestId());
        var began = System.nanoTime();
        var answer = new RouteAnswer(exchange, vertx, options.timeout());
        var ending = patiently(request, answer, exchange);
        switch (ending.finished().reason()) {
            case STOP, TOOL_CALLS, LENGTH -> {}
            case ERROR -> throw new IllegalStateException("the engine failed at this prompt; the log has the cause");
            case TIMEOUT -> throw timedOut(exchange, began);
            case CANCELLED -> {
                if (answer.isTimeUp()) {
                    throw timedOut(exchange, began);
                }
                throw new CancellationException(
                        answer.isUnwanted() ? "the client has left" : "the generation was cancelled");
            }
        }
        message.setBody(body(answer.text(), ending));
        message.setHeader(LlmConstants.FINISH_REASON, ending.reason());
        message.setHeader(LlmConstants.PROMPT_TOKENS, ending.finished().promptTokens());
        message.setHeader(LlmConstants.COMPLETION_TOKENS, ending.finished().completionTokens());
    }

    /// The text, or the value that it is the JSON of.
    ///
    /// @throws AnswerException if it is not what the format says, because it was cut or another server wrote it
    private @Nullable Object body(String text, Ending ending) {
        var format = options.format();
        if (format == null) {
            return text;
        }
        if (ending.finished().reason() == FinishReason.LENGTH) {
            throw new AnswerException(
                    "the answer was cut after " + ending.finished().completionTokens() + " tokens, so it is not what "
                            + format.option + " says; raise maxTokens");
        }
        if (!format.isJson()) {
            return text;
        }
        try {
            return VALUES.readValue(text, Object.class);
        } catch (JsonProcessingException _) {
            throw new AnswerException("the answer is not JSON, as " + format.option + " says it must be");
        }
    }

    private static ExchangeTimedOutException timedOut(Exchange exchange, long beganNanos) {
        return new ExchangeTimedOutException(exchange, TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - beganNanos));
    }

    /// Tries again while the model loads or the queue is full, until the time for retries is over.
    private Ending patiently(GenerationRequest request, RouteAnswer answer, Exchange exchange)
            throws InterruptedException {
        var end = System.nanoTime() + options.patience().toNanos();
        var pause = FIRST_PAUSE;
        while (true) {
            if (answer.isUnwanted()) {
                throw new CancellationException("the client has left");
            }
            try {
                return answer.of(generations, request);
            } catch (RuntimeException e) {
                var error = JsonError.of(e);
                var passes = error != null && error.retryAfterSeconds() > 0;
                if (!passes
                        || System.nanoTime() - end >= 0
                        || exchange.getContext().isStopping()) {
                    throw e;
                }
            }
            Thread.sleep(pause);
            pause = pause.multipliedBy(2).compareTo(LONGEST_PAUSE) < 0 ? pause.multipliedBy(2) : LONGEST_PAUSE;
        }
    }
}
