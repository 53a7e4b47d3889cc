package dev.llmworker.scaling.balancer;

import dev.llmworker.scaling.client.Json;
import dev.llmworker.scaling.client.WebSocketConnection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// A WebSocket that is opened, used or left idle, and watched until it ends.
///
/// Threading: one thread opens, prompts and closes it; any thread may look at it.
final class HeldSocket {
    /// Clients of RunPod's load balancer are advised to retry.
    private static final int TRIES = 3;

    private static final double MAX_ANSWER_SECONDS = 20;

    /// @param at in seconds of the run
    /// @param age seconds since it opened
    /// @param idle seconds since the last frame of an answer
    record Cut(double at, double age, double idle, String how) {}

    /// One prompt and its answer.
    ///
    /// @param failure empty if the answer is complete
    record Exchange(double at, String failure) {}

    private final Probe probe;
    private final boolean idle;
    private final List<String> refusals = new CopyOnWriteArrayList<>();
    private final List<Exchange> exchanges = new CopyOnWriteArrayList<>();
    private volatile Optional<WebSocketConnection> connection = Optional.empty();
    private volatile Optional<Cut> forgotten = Optional.empty();
    private volatile double askedAt;
    private volatile double openedAt;
    private volatile double usedAt;
    private volatile double closedAt = Double.POSITIVE_INFINITY;

    /// @param idle whether it is left alone after its first answer
    HeldSocket(Probe probe, boolean idle) {
        this.probe = probe;
        this.idle = idle;
    }

    void open() throws InterruptedException {
        for (var i = 1; i <= TRIES; i++) {
            askedAt = probe.now();
            try {
                var opened = probe.client().open(Map.of());
                openedAt = probe.now();
                usedAt = openedAt;
                connection = Optional.of(opened);
                return;
            } catch (WebSocketConnection.NotOpenedException e) {
                refusals.add(e.getMessage());
            }
            if (i < TRIES) {
                Probe.sleep(probe.options().retryPause);
            }
        }
    }

    /// Sends a prompt and reads its answer. If no answer comes on a connection that seems open, that counts as a cut,
    /// too: something in between has dropped the connection without telling either side.
    void exchange() throws InterruptedException {
        if (isOpen()) {
            var at = probe.now();
            exchanges.add(new Exchange(at, failure(connection.orElseThrow(), at)));
        }
    }

    private String failure(WebSocketConnection to, double at) throws InterruptedException {
        to.send(Probe.PROMPT);
        var limit = Math.min(MAX_ANSWER_SECONDS, probe.options().timeout());
        for (var next = to.receive(limit); next.isPresent(); next = to.receive(limit)) {
            usedAt = next.get().at();
            var frame = Json.read(next.get().text());
            if (frame.has("error")) {
                return "error: " + frame.get("error");
            }
            if (frame.has("done")) {
                return "";
            }
        }
        if (to.ending().isEmpty()) {
            forgotten = Optional.of(new Cut(at, at - openedAt, at - usedAt, "forgotten without a word"));
        }
        return to.ending().map(WebSocketConnection.Ending::how).orElse("no answer in time");
    }

    void close() {
        closedAt = Math.min(closedAt, probe.now());
        connection.ifPresent(WebSocketConnection::close);
    }

    boolean wasOpened() {
        return connection.isPresent();
    }

    boolean isOpen() {
        return wasOpened() && cut().isEmpty() && closedAt == Double.POSITIVE_INFINITY;
    }

    boolean isIdle() {
        return idle;
    }

    /// How somebody else ended it; empty if nobody did.
    Optional<Cut> cut() {
        return forgotten.or(() -> connection
                .flatMap(WebSocketConnection::ending)
                .filter(ending -> ending.at() < closedAt)
                .map(ending -> new Cut(ending.at(), ending.at() - openedAt, ending.at() - usedAt, ending.how())));
    }

    /// Whether its latest prompt was answered.
    boolean answers() {
        return !exchanges.isEmpty() && exchanges.getLast().failure().isEmpty();
    }

    /// Whether it was never cut and still answers.
    boolean survived() {
        return cut().isEmpty() && answers();
    }

    /// The worker's id on the 101; empty if there was none.
    String worker() {
        return connection.map(WebSocketConnection::worker).orElse("");
    }

    List<String> refusals() {
        return refusals;
    }

    List<Exchange> exchanges() {
        return exchanges;
    }

    double askedAt() {
        return askedAt;
    }

    double openedAt() {
        return openedAt;
    }

    double handshakeMillis() {
        return (openedAt - askedAt) * 1000;
    }

    /// When it ended; now if it has not.
    double endedAt() {
        return cut().map(Cut::at).orElseGet(() -> Math.min(closedAt, probe.now()));
    }

    Map<String, Object> figures() {
        var figures = Json.object("idle", idle, "opened", wasOpened(), "refusals", refusals);
        if (wasOpened()) {
            figures.putAll(Json.object(
                    "at", openedAt,
                    "handshake_millis", handshakeMillis(),
                    "worker", worker(),
                    "prompts", exchanges.size(),
                    "answered",
                            exchanges.stream()
                                    .filter(one -> one.failure().isEmpty())
                                    .count(),
                    "ended_at", endedAt()));
        }
        cut().ifPresent(cut ->
                figures.putAll(Json.object("cut", cut.how(), "age_seconds", cut.age(), "idle_seconds", cut.idle())));
        return figures;
    }
}
