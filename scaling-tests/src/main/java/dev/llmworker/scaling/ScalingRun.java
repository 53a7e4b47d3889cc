package dev.llmworker.scaling;

import dev.llmworker.scaling.Client.Answer;
import dev.llmworker.scaling.Look.Change;
import java.util.List;
import java.util.Optional;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeoutException;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;

/// The three tests in their order, with a control after the first. The fields are what was measured so far; the JSON
/// report has them.
final class ScalingRun {
    private static final double STEP_SECONDS = 0.05;

    final transient ScalingTest options;
    private final transient Client client;
    private final transient Progress progress;
    /// How many of the tests were finished.
    int finishedTests;

    /// Why the run ended early; empty if it did not.
    String stopped = "";

    List<Answer> warmUp = List.of();
    final List<Answer> polls = new CopyOnWriteArrayList<>();

    /// The control: no request is sent and no WebSocket is open. Idle WebSockets count only if they make a difference
    /// to what the workers do then.
    Optional<Change> silence = Optional.empty();

    final Sockets alone;
    double aloneSeconds;
    /// Before the WebSockets, and at the end, while the remaining ones were still open.
    Optional<Change> held = Optional.empty();

    /// A request after they were closed.
    Optional<Answer> afterClose = Optional.empty();

    /// Every other one is used, the rest are idle. Requests keep a worker running, so a WebSocket that ends here does
    /// not end because its worker was stopped.
    final Sockets mixed;

    final List<Answer> posts = new CopyOnWriteArrayList<>();
    double mixedSeconds;
    Optional<Affinity> affinity = Optional.empty();

    ScalingRun(ScalingTest options, Client client, Progress progress) {
        this.options = options;
        this.client = client;
        this.progress = progress;
        alone = new Sockets(IntStream.range(0, options.connections)
                .mapToObj(_ -> socket(true))
                .toList());
        mixed = new Sockets(IntStream.range(0, options.connections)
                .mapToObj(i -> socket(i % 2 == 1))
                .toList());
    }

    private HeldSocket socket(boolean idle) {
        return new HeldSocket(options, client, idle);
    }

    /// Runs everything, or as much as it can before the thread is interrupted.
    ///
    /// @throws TimeoutException if there is no worker to begin with
    void run() throws TimeoutException {
        try {
            warmUp = awaitWorker();
            poll();
            keepSilent();
            holdAlone();
            holdBesideRequests();
        } catch (InterruptedException _) {
            stopped = "interrupted after " + Figures.seconds(client.now());
        } catch (TimeoutException e) {
            if (warmUp.isEmpty()) {
                throw e;
            }
            stopped = "no worker came back: " + e.getMessage();
        }
    }

    private List<Answer> awaitWorker() throws InterruptedException, TimeoutException {
        return client.awaitHealthy("ping", progress);
    }

    private void poll() throws InterruptedException {
        progress.begin("1 HTTP polling alone");
        while (polls.size() < options.healthPolls) {
            polls.add(client.get("ping"));
            progress.update(
                    "%d of %d, the last: %s",
                    polls.size(), options.healthPolls, polls.getLast().outcome());
            Client.sleep(options.healthInterval);
        }
        finishedTests++;
        progress.end(Verdicts.polling(this).because());
    }

    private void keepSilent() throws InterruptedException {
        if (options.control == 0) {
            return;
        }
        // A worker that counts this request, and later counts from zero, was started again.
        client.post("generate", HeldSocket.PROMPT);
        var before = Look.at(client);
        progress.begin("  control: silence");
        var begin = client.now();
        while (goesOn(begin, options.control, STEP_SECONDS, () -> true)) {
            progress.update("%.0f of %.0f s", client.now() - begin, options.control);
        }
        silence = Optional.of(new Change(before, Look.at(client)));
        progress.end(silenceSentence());
    }

    String silenceSentence() {
        return silence.map(change -> "after " + Figures.seconds(options.control) + " without a request "
                        + change.loss()
                                .map(reason -> "no worker was ready: " + reason)
                                .orElse("the worker was still there"))
                .orElse("not run");
    }

    private void holdAlone() throws InterruptedException, TimeoutException {
        awaitWorker();
        var before = Look.at(client);
        progress.begin("2 WebSockets alone");
        try {
            // The first one of a JVM is slow by itself and does not count.
            var first = socket(false);
            first.open();
            first.close();
            alone.each(HeldSocket::open);
            alone.each(HeldSocket::exchange);
            // If all are cut, the workers that serve then are looked at immediately.
            var begin = client.now();
            while (goesOn(
                    begin, options.duration, STEP_SECONDS, () -> !alone.open().isEmpty())) {
                aloneSeconds = client.now() - begin;
                progress.update(
                        "%.0f of %.0f s, %d of %d open",
                        aloneSeconds, options.duration, alone.open().size(), alone.size());
            }
            aloneSeconds = client.now() - begin;
            held = Optional.of(new Change(before, Look.at(client)));
            alone.each(HeldSocket::exchange);
        } finally {
            alone.close();
        }
        afterClose = Optional.of(client.get("ping"));
        finishedTests++;
        progress.end(Verdicts.alone(this).because());
    }

    private void holdBesideRequests() throws InterruptedException, TimeoutException {
        awaitWorker();
        progress.begin("3 HTTP and WebSockets");
        var poster = Thread.ofVirtual().unstarted(this::post);
        try {
            mixed.each(HeldSocket::open);
            mixed.each(HeldSocket::exchange);
            poster.start();
            var begin = client.now();
            BooleanSupplier anyOpen =
                    () -> mixed.opened().isEmpty() || !mixed.open().isEmpty();
            while (goesOn(begin, options.duration, options.healthInterval, anyOpen)) {
                mixedSeconds = client.now() - begin;
                mixed.used().open().each(HeldSocket::exchange);
                progress.update(
                        "%.0f of %.0f s, %d requests, %d of %d WebSockets open",
                        mixedSeconds,
                        options.duration,
                        posts.size(),
                        mixed.open().size(),
                        mixed.size());
            }
            mixedSeconds = client.now() - begin;
            poster.interrupt();
            mixed.idle().open().each(HeldSocket::exchange);
            affinity = Optional.of(Affinity.probe(client, workersSeen()));
        } finally {
            poster.interrupt();
            mixed.close();
        }
        finishedTests++;
        progress.end(Verdicts.mixed(this).because());
    }

    private void post() {
        try {
            while (true) {
                posts.add(client.post("generate", HeldSocket.PROMPT));
                Client.sleep(options.healthInterval);
            }
        } catch (InterruptedException _) {
            // The time is up.
        }
    }

    private SortedSet<String> workersSeen() throws InterruptedException {
        var workers = new TreeSet<>(Look.at(client).workers());
        posts.stream().map(Answer::worker).filter(id -> !id.isEmpty()).forEach(workers::add);
        workers.addAll(mixed.open().workers());
        return workers;
    }

    /// Waits for the next step of something that goes on for some seconds.
    ///
    /// @return false if the time is up, or if there is no more reason to go on
    private boolean goesOn(double begin, double seconds, double pause, BooleanSupplier reason)
            throws InterruptedException {
        var left = begin + seconds - client.now();
        if (left <= 0 || !reason.getAsBoolean()) {
            return false;
        }
        Client.sleep(Math.min(pause, left));
        return true;
    }
}
