package load;

import client.Answer;
import client.Figures;
import client.HttpCalls;
import client.Json;
import client.RunClock;
import client.WebSocketConnection;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import report.Progress;

/// All cases of a load test, one after the other.
public final class LoadRun {
    private final LoadOptions options;
    private final Progress progress;
    private final RunClock clock = new RunClock();
    private final HttpCalls calls;
    private final List<LoadCase> cases = new CopyOnWriteArrayList<>();
    private final AtomicInteger number = new AtomicInteger();
    private volatile Optional<String> stopped = Optional.empty();
    private String model = "";

    public LoadRun(LoadOptions options, Progress progress) {
        this.options = options;
        this.progress = progress;
        calls = new HttpCalls(options.target(), clock);
    }

    /// Runs all, or as far as it comes before the thread is interrupted.
    ///
    /// @throws IOException when there is no server to begin with
    public void run() throws IOException {
        try {
            var api = api();
            try (var streams = new Streams(options.target(), api, calls, clock)) {
                for (var transport : options.transports()) {
                    // Code paths and caches, on both sides.
                    one(streams, api, transport, Optional.empty());
                    for (var count : options.streams()) {
                        measure(streams, api, transport, count);
                    }
                }
            }
        } catch (InterruptedException _) {
            stopped = Optional.of("interrupted after " + Figures.seconds(clock.seconds()));
        }
    }

    private Api api() throws IOException, InterruptedException {
        var worker = new Api.Worker();
        if (!options.openAi()) {
            awaitHealthy(worker.healthPath());
            return worker;
        }
        var models = awaitHealthy(new Api.OpenAi("").healthPath());
        model = options.model()
                .orElseGet(() -> Json.at(Json.object(models.body()), "data", 0, "id") instanceof String id ? id : "");
        if (model.isEmpty()) {
            throw new IOException("the server names no model; --model does");
        }
        return new Api.OpenAi(model);
    }

    private Answer awaitHealthy(String path) throws IOException, InterruptedException {
        var begin = clock.seconds();
        progress.begin("Waiting for the server");
        while (true) {
            var answer = calls.get(path);
            var waited = clock.seconds() - begin;
            if (answer.isOk()) {
                progress.end(path + " answers after " + Figures.seconds(waited));
                return answer;
            }
            if (waited >= options.workerWait().toSeconds()) {
                throw new IOException(
                        "no healthy answer from " + options.target().shown() + path + " in " + Figures.seconds(waited)
                                + "; the last: " + answer.outcome());
            }
            progress.update(waited / options.workerWait().toSeconds(), path + ": " + answer.outcome());
            Thread.sleep(1000);
        }
    }

    private void measure(Streams streams, Api api, LoadOptions.Transport transport, int count)
            throws InterruptedException {
        var all = count * options.requests();
        var done = new CopyOnWriteArrayList<Generation>();
        var latch = new CountDownLatch(count);
        progress.begin("%s, %s".formatted(transport.text, Figures.count(count, "stream")));
        var begin = clock.seconds();
        var threads = new ArrayList<Thread>();
        for (var i = 0; i < count; i++) {
            threads.add(Thread.ofVirtual().name("stream").start(() -> {
                try {
                    stream(streams, api, transport, done);
                } catch (InterruptedException _) {
                    // The run is over; what is measured is measured.
                } finally {
                    latch.countDown();
                }
            }));
        }
        try {
            while (!latch.await(100, TimeUnit.MILLISECONDS)) {
                progress.update(
                        (double) done.size() / all,
                        "%d of %d answers, %.0f s".formatted(done.size(), all, clock.seconds() - begin));
            }
        } finally {
            threads.forEach(Thread::interrupt);
            if (!done.isEmpty()) {
                cases.add(new LoadCase(transport, count, List.copyOf(done), clock.seconds() - begin));
            }
        }
        progress.end(told(cases.getLast()));
    }

    /// The requests of one stream. One that has lost its WebSocket opens another for the next request.
    private void stream(Streams streams, Api api, LoadOptions.Transport transport, List<Generation> done)
            throws InterruptedException {
        Optional<WebSocketConnection> connection = Optional.empty();
        try {
            for (var i = 0; i < options.requests(); i++) {
                if (transport == LoadOptions.Transport.WEBSOCKET && connection.isEmpty()) {
                    try {
                        connection = Optional.of(streams.connect());
                    } catch (IOException e) {
                        done.add(streams.refused(e));
                        continue;
                    }
                }
                var generation = one(streams, api, transport, connection);
                done.add(generation);
                if (!generation.isOk() && connection.isPresent()) {
                    connection.get().close();
                    connection = Optional.empty();
                }
            }
        } finally {
            connection.ifPresent(WebSocketConnection::close);
        }
    }

    private Generation one(
            Streams streams, Api api, LoadOptions.Transport transport, Optional<WebSocketConnection> connection)
            throws InterruptedException {
        // A number first, so that no prompt is the beginning of another and found in a cache.
        var prompt = "(" + number.incrementAndGet() + ") " + options.prompt();
        var request = api.request(options, prompt, transport == LoadOptions.Transport.SSE);
        return switch (transport) {
            case HTTP -> streams.whole(request);
            case SSE -> streams.events(request);
            case WEBSOCKET -> {
                request.remove("details");
                if (connection.isPresent()) {
                    yield streams.frames(connection.get(), request);
                }
                try (var own = streams.connect()) {
                    yield streams.frames(own, request);
                } catch (IOException e) {
                    yield streams.refused(e);
                }
            }
        };
    }

    private static String told(LoadCase measured) {
        return "%s tokens/s, first token %s, %s"
                .formatted(
                        Figures.shown(measured.tokensPerSecond()),
                        Figures.millis(Figures.median(measured.firstMillis())),
                        Figures.count(measured.errorCount(), "error"));
    }

    public boolean passed() {
        return stopped.isEmpty() && cases.stream().allMatch(measured -> measured.errorCount() == 0);
    }

    LoadOptions options() {
        return options;
    }

    List<LoadCase> cases() {
        return cases;
    }

    String model() {
        return model;
    }

    public Optional<String> stopped() {
        return stopped;
    }
}
