package load;

import client.Answer;
import client.Failure;
import client.HttpCalls;
import client.Json;
import client.RunClock;
import client.Target;
import client.WebSocketConnection;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/// Sends generation requests, one way or another, and reads the answers as they come.
final class Streams implements AutoCloseable {
    private static final String DATA = "data:";

    private final Target target;
    private final Api api;
    private final HttpCalls calls;
    private final RunClock clock;
    private final ScheduledExecutorService limits = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().factory());

    Streams(Target target, Api api, HttpCalls calls, RunClock clock) {
        this.target = target;
        this.api = api;
        this.calls = calls;
        this.clock = clock;
    }

    /// Waits for the whole answer.
    Generation whole(Map<String, Object> request) throws InterruptedException {
        var collector = new Collector(clock);
        var answer = calls.post(api.path(), Json.write(request));
        if (answer.isOk()) {
            api.read(Json.object(answer.body()), collector);
        } else {
            collector.failed(answer.outcome());
        }
        return collector.end();
    }

    /// Reads server-sent events.
    Generation events(Map<String, Object> request) throws InterruptedException {
        var collector = new Collector(clock);
        try {
            var response = calls.stream(api.path(), Json.write(request));
            var body = response.body();
            // The client's own limit is for the head of an answer alone.
            var limit = limits.schedule(() -> close(body), target.timeout().toMillis(), TimeUnit.MILLISECONDS);
            try (var reader = new BufferedReader(new InputStreamReader(body, StandardCharsets.UTF_8))) {
                if (response.statusCode() != 200) {
                    collector.failed(response.statusCode() + " " + Answer.of(String.valueOf(reader.readLine())));
                } else if (!read(reader, collector)) {
                    collector.failed("the stream ended before its answer");
                }
            } finally {
                limit.cancel(false);
            }
        } catch (IOException e) {
            collector.failed(Failure.of(e));
        }
        return collector.end();
    }

    private boolean read(BufferedReader reader, Collector collector) throws IOException {
        for (var line = reader.readLine(); line != null; line = reader.readLine()) {
            if (line.startsWith(DATA)
                    && api.readEvent(line.substring(DATA.length()).strip(), collector)) {
                return true;
            }
        }
        return false;
    }

    private static void close(java.io.InputStream body) {
        try {
            body.close();
        } catch (IOException _) {
            // Its reader is told all the same.
        }
    }

    WebSocketConnection connect() throws IOException {
        var connection = WebSocketConnection.open(target, "/ws", Map.of());
        connection.readLimit(target.timeout());
        return connection;
    }

    /// Reads the frames of one answer.
    Generation frames(WebSocketConnection connection, Map<String, Object> request) {
        var collector = new Collector(clock);
        try {
            connection.send(Json.write(request));
            while (true) {
                Optional<String> frame = connection.receive();
                if (frame.isEmpty()) {
                    collector.failed(
                            connection.closeFrame().map(Object::toString).orElse("closed"));
                    break;
                }
                if (api.readEvent(frame.get(), collector)) {
                    break;
                }
            }
        } catch (IOException e) {
            collector.failed(Failure.of(e));
        }
        return collector.end();
    }

    Generation refused(IOException why) {
        var collector = new Collector(clock);
        collector.failed(Failure.of(why));
        return collector.end();
    }

    @Override
    public void close() {
        limits.shutdownNow();
    }
}
