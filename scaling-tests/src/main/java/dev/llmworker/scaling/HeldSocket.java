package dev.llmworker.scaling;

import com.fasterxml.jackson.annotation.JsonProperty;
import dev.llmworker.scaling.WebSocketConnection.Ending;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/// A WebSocket that is opened, used or left idle, and watched until it ends. Its fields are in the JSON report.
///
/// Threading: one thread opens, prompts and closes it; any thread may look at it.
final class HeldSocket {
    static final Map<String, Object> PROMPT = Map.of("prompt", "Tell me about load balancing", "max_tokens", 8);
    /// Clients of RunPod's load balancer are advised to retry.
    private static final int TRIES = 3;

    private static final double MAX_ANSWER_SECONDS = 20;

    /// @param at in seconds of the run
    /// @param ageSeconds since it opened
    /// @param idleSeconds since the last frame of an answer
    record Cut(double at, double ageSeconds, double idleSeconds, String how) {}

    private final transient ScalingTest options;
    private final transient Client client;
    private transient volatile Optional<WebSocketConnection> connection = Optional.empty();
    private transient volatile Optional<Cut> forgotten = Optional.empty();

    /// Whether it is left alone after its first answer.
    final boolean idle;

    final List<String> refusals = new CopyOnWriteArrayList<>();
    volatile String worker = "";
    volatile double askedAt;
    volatile double openedAt;
    private volatile double usedAt;
    private volatile double closedAt = Double.POSITIVE_INFINITY;
    /// Whether its latest prompt was answered.
    private volatile boolean answers;

    HeldSocket(ScalingTest options, Client client, boolean idle) {
        this.options = options;
        this.client = client;
        this.idle = idle;
    }

    void open() throws InterruptedException {
        for (var i = 1; i <= TRIES; i++) {
            askedAt = client.now();
            try {
                var opened = client.open("");
                openedAt = client.now();
                usedAt = openedAt;
                worker = opened.worker.join();
                connection = Optional.of(opened);
                return;
            } catch (IOException e) {
                refusals.add(e.getMessage());
            }
            if (i < TRIES) {
                Client.sleep(options.retryPause);
            }
        }
    }

    /// Sends a prompt and reads its answer. If no answer comes on a connection that seems open, that counts as a cut,
    /// too: something in between has dropped the connection without telling either side.
    void exchange() throws InterruptedException {
        if (!isOpen()) {
            return;
        }
        answers = false;
        var to = connection.orElseThrow();
        var at = client.now();
        to.send(PROMPT);
        var limit = Math.min(MAX_ANSWER_SECONDS, options.timeout);
        for (var next = to.receive(limit); next.isPresent(); next = to.receive(limit)) {
            usedAt = next.get().at();
            var frame = Json.read(next.get().text());
            if (frame.has("error") || frame.has("done")) {
                answers = frame.has("done");
                return;
            }
        }
        if (to.ending().isEmpty()) {
            forgotten = Optional.of(new Cut(at, at - openedAt, at - usedAt, "forgotten without a word"));
        }
    }

    void close() {
        closedAt = Math.min(closedAt, client.now());
        connection.ifPresent(WebSocketConnection::close);
    }

    boolean wasOpened() {
        return connection.isPresent();
    }

    boolean isOpen() {
        return wasOpened() && cut().isEmpty() && closedAt == Double.POSITIVE_INFINITY;
    }

    /// Whether it was never cut and still answers.
    boolean survived() {
        return cut().isEmpty() && answers;
    }

    /// How somebody else ended it; empty if nobody did.
    @JsonProperty("cut")
    Optional<Cut> cut() {
        return forgotten.or(() -> connection
                .flatMap(WebSocketConnection::ending)
                .filter(ending -> ending.at() < closedAt)
                .map(this::cut));
    }

    private Cut cut(Ending ending) {
        return new Cut(ending.at(), ending.at() - openedAt, ending.at() - usedAt, ending.how());
    }

    double handshakeMillis() {
        return (openedAt - askedAt) * 1000;
    }

    /// When it ended; now if it has not.
    double endedAt() {
        return cut().map(Cut::at).orElseGet(() -> Math.min(closedAt, client.now()));
    }
}
