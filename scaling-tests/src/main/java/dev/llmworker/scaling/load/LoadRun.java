package dev.llmworker.scaling.load;

import dev.llmworker.scaling.client.Client;
import dev.llmworker.scaling.client.Figures;
import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.NoServerException;
import dev.llmworker.scaling.client.WebSocketConnection;
import dev.llmworker.scaling.client.WebSocketConnection.NotOpenedException;
import dev.llmworker.scaling.report.Progress;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/// All cases of a load test, one after the other.
final class LoadRun {
    private static final String DATA = "data:";
    private static final double HEALTH_PAUSE_SECONDS = 1;

    private final LoadTest options;
    private final Client client;
    private final Progress progress;
    private final AtomicInteger number = new AtomicInteger();
    private Api api = new Api.Worker();
    final List<LoadCase> cases = new ArrayList<>();
    String model = "";
    /// Why the run ended early; empty if it did not.
    Optional<String> stopped = Optional.empty();

    LoadRun(LoadTest options, Client client, Progress progress) {
        this.options = options;
        this.client = client;
        this.progress = progress;
    }

    /// Runs everything, or as much as it can before the thread is interrupted.
    ///
    /// @throws NoServerException if there is no server to begin with
    void run() throws NoServerException {
        try {
            awaitServer();
            for (var transport : options.transports) {
                // The first request warms up code paths and caches on both sides.
                stream(transport, 1, new ArrayList<>());
                for (var count : options.streams) {
                    measure(transport, count);
                }
            }
        } catch (InterruptedException _) {
            stopped = Optional.of(
                    "interrupted after " + Figures.seconds(client.clock().seconds()));
        }
    }

    private void awaitServer() throws InterruptedException, NoServerException {
        api = options.isOpenAi() ? new Api.OpenAi("") : api;
        var answer = client.awaitHealthy(api.healthPath(), options.workerWait(), HEALTH_PAUSE_SECONDS, progress)
                .getLast();
        progress.note(api.healthPath() + " answers after "
                + Figures.seconds(client.clock().seconds()));
        if (options.isOpenAi()) {
            model = options.model.orElseGet(
                    () -> Json.read(answer.body()).at("/data/0/id").asText(""));
            if (model.isEmpty()) {
                throw new NoServerException("the server names no model; set --model");
            }
            api = new Api.OpenAi(model);
        }
    }

    private void measure(Transport transport, int count) throws InterruptedException {
        var expected = count * options.requests;
        var done = new CopyOnWriteArrayList<Generation>();
        var running = new CountDownLatch(count);
        progress.begin(transport.text + ", " + Figures.count(count, "stream"));
        var begin = client.clock().seconds();
        var threads = new ArrayList<Thread>();
        for (var i = 0; i < count; i++) {
            threads.add(Thread.ofVirtual().name("stream").start(() -> {
                try {
                    stream(transport, options.requests, done);
                } catch (InterruptedException _) {
                    // The run has ended, and what it has measured stays.
                } finally {
                    running.countDown();
                }
            }));
        }
        try {
            while (!running.await(100, TimeUnit.MILLISECONDS)) {
                progress.update(
                        (double) done.size() / expected,
                        "%d of %d answers, %.0f s"
                                .formatted(done.size(), expected, client.clock().seconds() - begin));
            }
        } finally {
            threads.forEach(Thread::interrupt);
            if (!done.isEmpty()) {
                cases.add(new LoadCase(
                        transport, count, List.copyOf(done), client.clock().seconds() - begin));
            }
        }
        progress.end(cases.getLast().summary());
    }

    /// The requests of one stream, one after the other. If its WebSocket is lost, the next request opens another.
    private void stream(Transport transport, int requests, List<Generation> done) throws InterruptedException {
        Optional<WebSocketConnection> connection = Optional.empty();
        try {
            for (var i = 0; i < requests; i++) {
                if (transport == Transport.WEBSOCKET && connection.isEmpty()) {
                    try {
                        connection = Optional.of(client.open(Map.of()));
                    } catch (NotOpenedException e) {
                        done.add(new Generation(client.clock()).end(e.getMessage()));
                        continue;
                    }
                }
                var generation = request(transport, connection);
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

    private Generation request(Transport transport, Optional<WebSocketConnection> connection)
            throws InterruptedException {
        // The number comes first, so that no prompt is the beginning of another one and found in a cache.
        var prompt = "(" + number.incrementAndGet() + ") " + options.prompt;
        var request = api.request(options, prompt, transport);
        var generation = new Generation(client.clock());
        return generation.end(
                switch (transport) {
                    case HTTP -> whole(request, generation);
                    case SSE -> client.lines(api.path(), request, line -> readLine(line, generation));
                    case WEBSOCKET -> frames(connection.orElseThrow(), request, generation);
                });
    }

    private String whole(Map<String, Object> request, Generation into) throws InterruptedException {
        var answer = client.post(api.path(), request);
        if (!answer.isOk()) {
            return answer.outcome();
        }
        Api.readUsage(Json.read(answer.body()), into);
        return "";
    }

    private boolean readLine(String line, Generation into) {
        return line.startsWith(DATA)
                && api.readEvent(
                        line.substring(DATA.length()).strip(), client.clock().seconds(), into);
    }

    private String frames(WebSocketConnection connection, Map<String, Object> request, Generation into)
            throws InterruptedException {
        connection.send(request);
        while (true) {
            var frame = connection.receive(options.timeout());
            if (frame.isEmpty()) {
                return connection.ending().map(WebSocketConnection.Ending::how).orElse("no answer in time");
            }
            if (api.readEvent(frame.get().text(), frame.get().at(), into)) {
                return "";
            }
        }
    }
}
