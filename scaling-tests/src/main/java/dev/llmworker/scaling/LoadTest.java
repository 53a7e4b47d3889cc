package dev.llmworker.scaling;

import dev.llmworker.scaling.WebSocketConnection.Ending;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicInteger;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/// Measures how fast a server generates, by the number of streams, over HTTP, server-sent events and WebSocket.
@Command(
        name = "LoadTest",
        sortOptions = false,
        showDefaultValues = true,
        customSynopsis = {
            "java scaling-tests/LoadTest.java --url http://localhost:8080",
            "       java scaling-tests/LoadTest.java --api openai --url http://localhost:8000/v1 --over sse"
        },
        description =
                "%nMeasures tokens per second, time to the first token and between tokens, by the number of streams,"
                        + " against this worker or any server with OpenAI's API. Ctrl-C ends it early, with a report of what was"
                        + " measured.%n")
final class LoadTest extends Program {
    private static final String DATA = "data:";

    /// How answers arrive: whole, as server-sent events, or as frames of a WebSocket.
    enum Transport {
        HTTP,
        SSE,
        WEBSOCKET
    }

    @Option(names = "--api", defaultValue = "worker", description = "worker, or openai: any with /v1/chat/completions")
    private Api api;

    @Option(names = "--model", description = "for openai; default: the server's first model")
    String model;

    @Option(names = "--streams", split = ",", defaultValue = "1,8,32", description = "at the same time, case by case")
    private List<Integer> streams;

    @Option(names = "--over", split = ",", defaultValue = "http,sse,websocket", description = "how answers arrive")
    private List<Transport> transports;

    @Option(names = "--requests", defaultValue = "4", description = "requests of each stream, one after the other")
    private int requests;

    @Option(names = "--max-tokens", defaultValue = "128", description = "tokens of each answer, at most")
    int maxTokens;

    @Option(names = "--ignore-eos", description = "answers go on to --max-tokens, if the server supports ignore_eos")
    boolean ignoreEos;

    @Option(
            names = "--prompt",
            defaultValue = "Tell me about load balancing in three paragraphs.",
            description = "each request puts a number in front")
    private String prompt;

    private final AtomicInteger number = new AtomicInteger();
    private final List<LoadReport.Case> cases = new ArrayList<>();

    private LoadTest() {
        super("load-report");
    }

    static void main(String... words) {
        System.exit(run(words));
    }

    static int run(String... words) {
        return run(new LoadTest(), words);
    }

    @Override
    void check() {
        if (api == Api.OPENAI) {
            withoutVersion();
            transports = transports.stream()
                    .filter(one -> one != Transport.WEBSOCKET)
                    .toList();
            if (transports.isEmpty()) {
                throw wrong("--over is \"websocket\"; OpenAI's API has only http and sse");
            }
        }
    }

    @Override
    Report measure(Client client, Progress progress) throws TimeoutException {
        var stopped = "";
        try {
            awaitServer(client, progress);
            for (var transport : transports) {
                // The first request warms up code paths and caches on both sides.
                stream(client, transport, 1, new ArrayList<>());
                for (var count : streams) {
                    measure(client, progress, transport, count);
                }
            }
        } catch (InterruptedException _) {
            stopped = "interrupted after " + Figures.seconds(client.now());
        }
        return new LoadReport("LoadTest", settings(), stopped, cases).report();
    }

    private void awaitServer(Client client, Progress progress) throws InterruptedException, TimeoutException {
        var answer = client.awaitHealthy(api.healthPath, progress).getLast();
        if (api == Api.OPENAI && model == null) {
            model = Json.read(answer.body()).at("/data/0/id").asText("");
            if (model.isEmpty()) {
                throw new TimeoutException("the server names no model; set --model");
            }
        }
    }

    private void measure(Client client, Progress progress, Transport transport, int count) throws InterruptedException {
        var done = new CopyOnWriteArrayList<Generation>();
        progress.begin(transport + ", " + Figures.count(count, "stream"));
        var begin = client.now();
        try {
            Client.together(Collections.nCopies(count, transport), over -> {
                stream(client, over, requests, done);
                progress.update("%d of %d answers, %.0f s", done.size(), count * requests, client.now() - begin);
            });
        } finally {
            if (!done.isEmpty()) {
                cases.add(LoadReport.Case.of(transport, count, List.copyOf(done), client.now() - begin));
            }
        }
        progress.end(cases.getLast().summary());
    }

    /// The requests of one stream, one after the other. If its WebSocket is lost, the next request opens another.
    private void stream(Client client, Transport transport, int times, List<Generation> done)
            throws InterruptedException {
        Optional<WebSocketConnection> connection = Optional.empty();
        try {
            for (var i = 0; i < times; i++) {
                if (transport == Transport.WEBSOCKET && connection.isEmpty()) {
                    var begin = client.now();
                    try {
                        connection = Optional.of(client.open(""));
                    } catch (IOException e) {
                        done.add(new Generation(begin).end(client.now(), e.getMessage()));
                        continue;
                    }
                }
                var generation = generate(client, transport, connection);
                done.add(generation);
                if (!generation.isOk()) {
                    connection.ifPresent(WebSocketConnection::close);
                    connection = Optional.empty();
                }
            }
        } finally {
            connection.ifPresent(WebSocketConnection::close);
        }
    }

    private Generation generate(Client client, Transport transport, Optional<WebSocketConnection> connection)
            throws InterruptedException {
        // The number comes first, so that no prompt is the beginning of another one and found in a cache.
        var request = api.request(this, "(" + number.incrementAndGet() + ") " + prompt, transport);
        var generation = new Generation(client.now());
        var failure = switch (transport) {
            case HTTP -> whole(client, request, generation);
            case SSE ->
                client.lines(
                        api.path,
                        request,
                        line -> line.startsWith(DATA)
                                && api.readEvent(line.substring(DATA.length()).strip(), client.now(), generation));
            case WEBSOCKET -> frames(connection.orElseThrow(), request, generation);
        };
        return generation.end(client.now(), failure);
    }

    private String whole(Client client, Map<String, Object> request, Generation into) throws InterruptedException {
        var answer = client.post(api.path, request);
        Api.readUsage(Json.read(answer.body()), into);
        return answer.isOk() ? "" : answer.outcome();
    }

    private String frames(WebSocketConnection connection, Map<String, Object> request, Generation into)
            throws InterruptedException {
        connection.send(request);
        while (true) {
            var frame = connection.receive(timeout);
            if (frame.isEmpty()) {
                return connection.ending().map(Ending::how).orElse("no answer in time");
            }
            if (api.readEvent(frame.get().text(), frame.get().at(), into)) {
                return "";
            }
        }
    }
}
