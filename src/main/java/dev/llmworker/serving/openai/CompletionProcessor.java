package dev.llmworker.serving.openai;

import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.Generator;
import dev.llmworker.generation.OpenAiRelay;
import dev.llmworker.generation.OpenAiRequest;
import dev.llmworker.serving.connection.Client;
import dev.llmworker.serving.connection.HttpClient;
import dev.llmworker.serving.delivery.Caller;
import dev.llmworker.serving.delivery.Choices;
import dev.llmworker.serving.delivery.Generations;
import dev.llmworker.serving.delivery.SseWriter;
import dev.llmworker.serving.delivery.WholeAnswer;
import dev.llmworker.serving.request.ServedModel;
import dev.llmworker.serving.request.ToolFields;
import dev.llmworker.serving.wire.Ending;
import dev.llmworker.serving.wire.JsonError;
import dev.llmworker.serving.wire.ParsedBody;
import java.nio.charset.StandardCharsets;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntFunction;
import java.util.stream.Stream;
import org.apache.camel.Exchange;
import org.apache.camel.Processor;

/// The beans `chatCompletions` and `completions`: OpenAI's API over the one model that is loaded. The body is a `Map`
/// with the fields of a request; the answer is JSON, or server-sent events with `"stream": true`. The
/// generation stops when the client disconnects. If another server of this API generates, it gets the request
/// as [RelayedCompletion] passes it on, unless a tool is a route.
public final class CompletionProcessor implements Processor {
    private final Generations generations;
    private final ServedModel model;
    private final InstantSource clock;
    private final Kind kind;
    private final RoutedCompletion routed;

    /// The two forms of the API.
    public enum Kind {
        CHAT(OpenAiRequest.Form.CHAT, CompletionRequest::chat, ChatWriter::new),
        TEXT(OpenAiRequest.Form.TEXT, (body, _) -> CompletionRequest.text(body), TextWriter::new);

        private final OpenAiRequest.Form relayed;
        private final BiFunction<Map<?, ?>, ToolFields.Routes, CompletionRequest> reader;
        private final Writers writers;

        Kind(
                OpenAiRequest.Form relayed,
                BiFunction<Map<?, ?>, ToolFields.Routes, CompletionRequest> reader,
                Writers writers) {
            this.relayed = relayed;
            this.reader = reader;
            this.writers = writers;
        }
    }

    /// Makes the writer of one answer.
    private interface Writers {
        CompletionWriter of(CompletionRequest request, String modelId, long createdSeconds);
    }

    public CompletionProcessor(
            Kind kind, Generations generations, Generator generator, InstantSource clock, RoutedCompletion routed) {
        this.routed = routed;
        this.kind = kind;
        this.generations = generations;
        this.model = new ServedModel(generator);
        this.clock = clock;
    }

    @Override
    public void process(Exchange exchange) {
        var message = exchange.getMessage();
        if (!(Client.of(exchange) instanceof HttpClient client) || !(message.getBody() instanceof Map<?, ?> body)) {
            throw new IllegalStateException(
                    "OpenAI's API serves routes from platform-http, with a body that strictJson has unmarshalled");
        }
        var modelId = model.id(body);
        // The worker runs the calls of routes itself, so it has to read what the other server writes.
        if (model.generator() instanceof OpenAiRelay relay && !ToolFields.haveRoutes(body)) {
            var request = new OpenAiRequest(kind.relayed, body, client.requestId());
            new RelayedCompletion(relay, request).answer(exchange, client, generations);
            return;
        }
        var request = kind.reader.apply(body, routed.tools()).withRequestId(client.requestId());
        ParsedBody.drop(exchange);
        var writer = kind.writers.of(request, modelId, clock.instant().getEpochSecond());
        if (!request.routes().isEmpty()) {
            routed.answer(request, writer, exchange, client);
            return;
        }
        var caller = Caller.of(exchange);
        if (request.stream()) {
            var stream = new SseWriter(client);
            var streaming = new Caller(client, caller.route());
            stream.run(
                    () -> Ending.of(
                            run(request, streaming, choice -> new Streamed(choice, stream, writer)),
                            request.perPrompt()),
                    writer);
            exchange.setRouteStop(true);
            return;
        }
        var choices = Stream.generate(() -> new WholeAnswer(caller))
                .limit(request.choices())
                .toList();
        var endings = run(request, caller, choices::get);
        var all = Ending.of(endings, request.perPrompt());
        var logprobs = request.generation().sampling().logprobs().isPresent();
        message.setHeader(Exchange.CONTENT_TYPE, JsonError.CONTENT_TYPE);
        message.setBody(writer.answer(choices, endings, all, logprobs).getBytes(StandardCharsets.UTF_8));
    }

    private List<Ending> run(CompletionRequest request, Caller caller, IntFunction<? extends Choices.Reader> readers) {
        return new Choices(generations, caller, request.choices(), request.perPrompt(), request::choice, readers).run();
    }

    /// Streams one choice.
    private record Streamed(int choice, SseWriter stream, CompletionWriter writer) implements Choices.Reader {
        @Override
        public void accepted() {
            stream.open();
            stream.send(writer.began(choice));
        }

        @Override
        public boolean token(GenerationEvent.Token token) {
            return stream.send(writer.token(choice, token));
        }

        @Override
        public void finished(Ending ending) {
            stream.send(writer.finished(choice, ending));
        }
    }
}
