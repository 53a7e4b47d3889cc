package scaling;

import client.Ending;
import client.Json;
import client.WebSocketConnection;
import client.WebSocketException;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/// A WebSocket that is opened, used or left alone, and watched until it ends.
///
/// Threading: one thread opens, prompts and closes it; any thread may look at it.
final class HeldSocket {
    /// What clients of RunPod's load balancer are told to do.
    private static final int TRIES = 3;
    private static final String END = "";
    private static final long MAX_ANSWER_MILLIS = 20_000;

    /// @param at seconds of the run
    /// @param age seconds since it was open
    /// @param idle seconds since the last frame of an answer
    record Cut(double at, double age, double idle, String how) {}

    /// One prompt and its answer.
    ///
    /// @param failure empty where the answer came whole
    record Exchange(double at, double millis, String failure) {}

    private final Probe probe;
    private final boolean silent;
    private final BlockingQueue<String> messages = new LinkedBlockingQueue<>();
    private final List<String> refusals = new CopyOnWriteArrayList<>();
    private final List<Exchange> exchanges = new CopyOnWriteArrayList<>();
    private volatile Optional<WebSocketConnection> connection = Optional.empty();
    private volatile Optional<Cut> cut = Optional.empty();
    private volatile double askedAt;
    private volatile double openedAt;
    private volatile double usedAt;
    private volatile double closedAt = Double.NaN;

    /// @param silent whether it is left alone once it has answered one prompt
    HeldSocket(Probe probe, boolean silent) {
        this.probe = probe;
        this.silent = silent;
    }

    void open() throws InterruptedException {
        for (var i = 1; i <= TRIES; i++) {
            askedAt = probe.clock().seconds();
            try {
                var opened = WebSocketConnection.open(probe.options().target(), "/ws", Map.of());
                openedAt = probe.clock().seconds();
                usedAt = openedAt;
                connection = Optional.of(opened);
                Thread.ofVirtual().name("socket").start(() -> read(opened));
                return;
            } catch (WebSocketException e) {
                refusals.add(e.getMessage());
            } catch (IOException e) {
                refusals.add(client.Failure.of(e));
            }
            if (i < TRIES) {
                Thread.sleep(probe.options().retryPause());
            }
        }
    }

    private void read(WebSocketConnection from) {
        Ending ending;
        try {
            for (var message = from.receive(); message.isPresent(); message = from.receive()) {
                messages.add(message.get());
            }
            ending = from.closeFrame().orElseThrow();
        } catch (IOException e) {
            ending = Ending.of(e);
        }
        if (Double.isNaN(closedAt)) {
            cutBy(ending.toString());
        }
        messages.add(END);
    }

    private void cutBy(String how) {
        var now = probe.clock().seconds();
        cut = Optional.of(new Cut(now, now - openedAt, now - usedAt, how));
    }

    /// Sends a prompt and reads its answer. An answer that never comes, on a connection that seems open, is a cut too:
    /// the connection was forgotten by something between, without a word.
    ///
    /// @return whether the answer came
    boolean exchange() throws InterruptedException {
        if (!isOpen()) {
            return false;
        }
        var at = probe.clock().seconds();
        var failure = answered(at);
        exchanges.add(new Exchange(at, (probe.clock().seconds() - at) * 1000, failure));
        return failure.isEmpty();
    }

    private String answered(double at) throws InterruptedException {
        try {
            connection.orElseThrow().send("{\"prompt\":\"Tell me about load balancing\",\"max_tokens\":8}");
        } catch (IOException e) {
            // Its reader sees the end too, and says how it came.
            return client.Failure.of(e);
        }
        var limit =
                Math.min(MAX_ANSWER_MILLIS, probe.options().target().timeout().toMillis());
        while (true) {
            var message = messages.poll(limit, TimeUnit.MILLISECONDS);
            if (message == null) {
                cut = Optional.of(new Cut(at, at - openedAt, at - usedAt, "forgotten without a word"));
                return "no answer in time";
            }
            if (message.equals(END)) {
                return cut.map(Cut::how).orElse("closed");
            }
            usedAt = probe.clock().seconds();
            var frame = Json.object(message);
            if (frame.containsKey("error")) {
                return "error: " + frame.get("error");
            }
            if (frame.containsKey("done")) {
                return "";
            }
        }
    }

    void close() {
        if (Double.isNaN(closedAt)) {
            closedAt = probe.clock().seconds();
            connection.ifPresent(WebSocketConnection::close);
        }
    }

    boolean wasOpened() {
        return connection.isPresent();
    }

    /// Whether it opened, and is not known to have ended.
    boolean isOpen() {
        return wasOpened() && cut.isEmpty() && Double.isNaN(closedAt);
    }

    boolean isSilent() {
        return silent;
    }

    Optional<Cut> cut() {
        return cut;
    }

    /// Whether its latest prompt was answered.
    boolean answers() {
        return !exchanges.isEmpty() && exchanges.getLast().failure().isEmpty();
    }

    /// The worker's id on the 101; empty where there was none.
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

    /// When it ended, by whomever; now, where it has not.
    double endedAt() {
        return cut.map(Cut::at).orElse(Double.isNaN(closedAt) ? probe.clock().seconds() : closedAt);
    }
}
