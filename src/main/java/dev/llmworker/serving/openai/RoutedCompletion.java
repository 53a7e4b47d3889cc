package dev.llmworker.serving.openai;

import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.delivery.TimedAnswer;
import dev.llmworker.serving.tools.RouteTool;
import dev.llmworker.serving.tools.RouteTools;
import dev.llmworker.serving.tools.ToolCalls;
import dev.llmworker.serving.tools.ToolLoop;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.RequestException;
import dev.llmworker.text.answer.AnswerPart;
import dev.llmworker.text.tools.Tool;
import io.vertx.core.Vertx;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.function.Predicate;
import org.apache.camel.Exchange;
import org.jspecify.annotations.Nullable;

/// Answers requests of `/v1/chat/completions` that let the model call routes. The client gets the last answer, without
/// the calls that the worker has run; a stream has the texts of all answers. A call of a tool that the client has
/// ends the loop. Calls of routes beside it are then not run, because the client could not send their results.
///
/// @param timeout for all answers of one request
public record RoutedCompletion(RouteTools tools, Generations generations, Vertx vertx, Duration timeout) {
    void answer(CompletionRequest request, CompletionWriter writer, Exchange exchange, HttpClient client) {
        if (request.stream()) {
            var stream = new SseWriter(client);
            var caller = new Caller(client, Caller.of(exchange).route());
            stream.run(
                    () -> {
                        var reader = new Streamed(stream, writer, ofClient(request));
                        var ending = run(request, caller, exchange, reader).ending();
                        if (ending.finished().reason() != FinishReason.ERROR) {
                            stream.send(writer.finished(0, reader.shown(ending)));
                        }
                        return ending;
                    },
                    writer);
            exchange.setRouteStop(true);
            return;
        }
        var result = run(request, Caller.of(exchange), exchange, null);
        if (result.ending().finished().reason() == FinishReason.ERROR) {
            throw new RequestException(JsonError.failed(result.ending().finished()));
        }
        var logprobs = request.generation().sampling().logprobs().isPresent();
        var message = exchange.getMessage();
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        var whole = List.of(result.answer().whole());
        message.setBody(writer.answer(whole, List.of(result.ending()), result.ending(), logprobs)
                .getBytes(StandardCharsets.UTF_8));
    }

    /// The names of the tools that the client runs itself.
    private static Set<String> ofClient(CompletionRequest request) {
        var parts = request.generation().parts();
        var names = new HashSet<String>();
        for (var tool : parts == null ? List.<Tool>of() : parts.tools().tools()) {
            names.add(tool.name());
        }
        names.removeAll(request.routes().keySet());
        return names;
    }

    /// The routes that the model may call.
    private static Predicate<RouteTool> offered(CompletionRequest request) {
        var parts = request.generation().parts();
        var isNone = parts == null || parts.tools().offered().isEmpty();
        return RouteTools.isAmong(isNone ? Map.of() : request.routes());
    }

    private ToolLoop.Result run(
            CompletionRequest request, Caller caller, Exchange exchange, @Nullable Streamed reader) {
        var loop = new ToolLoop(
                generations::hold,
                new ToolCalls(tools, offered(request), caller, exchange),
                ofClient(request)::contains,
                ToolLoop.DEFAULT_ROUNDS,
                timeout,
                left -> new TimedAnswer(caller, vertx, left, reader),
                (next, answer, isFirst) -> isFirst ? answer.of(generations, next) : answer.more(generations, next));
        try {
            return loop.run(request.choice(0));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancellationException("the worker is stopping");
        }
    }

    /// Streams what the client should see of all answers.
    private static final class Streamed implements Generations.Reader {
        private final SseWriter stream;
        private final CompletionWriter writer;
        private final Set<String> ofClient;
        private boolean hasBegun;
        /// The calls of the answer that the client sees, and their numbers there.
        private final Map<Integer, Integer> shownCalls = new HashMap<>();
        private int callsShown;

        Streamed(SseWriter stream, CompletionWriter writer, Set<String> ofClient) {
            this.stream = stream;
            this.writer = writer;
            this.ofClient = ofClient;
        }

        @Override
        public void accepted() {
            if (!hasBegun) {
                hasBegun = true;
                stream.open();
                stream.send(writer.began(0));
            }
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            if (token.parts().isEmpty()) {
                return stream.send(writer.token(0, token));
            }
            var shown = shown(token.parts());
            return stream.send(
                    shown.isEmpty()
                            ? List.of()
                            : writer.token(
                                    0, new GenerationEvent.Token(token.index(), token.text(), token.scores(), shown)));
        }

        /// The end of the last answer, with its last parts.
        Ending shown(Ending ending) {
            var finished = ending.finished();
            return new Ending(finished.withParts(shown(finished.parts())), ending.timings());
        }

        private List<AnswerPart> shown(List<AnswerPart> parts) {
            var shown = new ArrayList<AnswerPart>(parts.size());
            for (var part : parts) {
                switch (part) {
                    case AnswerPart.Content _, AnswerPart.Reasoning _ -> shown.add(part);
                    case AnswerPart.CallStart(var index, var id, var name) -> {
                        shownCalls.remove(index);
                        if (ofClient.contains(name)) {
                            shownCalls.put(index, callsShown);
                            shown.add(new AnswerPart.CallStart(callsShown++, id, name));
                        }
                    }
                    case AnswerPart.CallArguments(var index, var json) -> {
                        var number = shownCalls.get(index);
                        if (number != null) {
                            shown.add(new AnswerPart.CallArguments(number, json));
                        }
                    }
                }
            }
            return shown;
        }
    }
}
