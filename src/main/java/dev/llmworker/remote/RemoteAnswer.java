package dev.llmworker.remote;

import dev.llmworker.generation.Answer;
import dev.llmworker.generation.FinishReason;
import dev.llmworker.generation.GenerationEvent;
import dev.llmworker.generation.HeldEvent;
import dev.llmworker.generation.HeldMemory;
import dev.llmworker.generation.Lease;
import dev.llmworker.generation.RefusedException;
import dev.llmworker.remote.RemoteServer.Place;
import io.vertx.core.Context;
import io.vertx.core.http.HttpClient;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.slf4j.event.Level;

/// An answer from a server. Until its first event, a failed attempt can be repeated at another server, or once at
/// the same one.
///
/// Threading: its state belongs to its event loop. One thread reads; any thread may close it. A slow reader makes
/// the server wait.
class RemoteAnswer<E extends HeldEvent> implements Answer<E> {
    private static final Logger LOG = LoggerFactory.getLogger(RemoteAnswer.class);
    // How long to wait for the usage after the last content.
    private static final long USAGE_MILLIS = 2000;

    private final RemoteServers servers;
    private final HttpClient client;
    private final ApiRequest question;
    private final @Nullable String apiKey;
    private final Supplier<AnswerReader<E>> readers;
    private final Consumer<RemoteAnswer<E>> whenOver;
    private final Context context;

    private final EventQueue<E> events;
    private final CompletableFuture<Void> acceptance = new CompletableFuture<>();

    private final List<RemoteServer> tried = new ArrayList<>(1);
    private boolean askedAgain;
    private AnswerReader<E> reader;
    private @Nullable Attempt attempt;
    private @Nullable Place place;
    private boolean over;
    private long deadline = -1;
    private long usageTimer = -1;

    /// @param lastEvent converts the end of the answer to the last of its events
    /// @param readers makes a reader for each attempt
    RemoteAnswer(
            RemoteServers servers,
            RemoteGenerator.Lane lane,
            ApiRequest question,
            @Nullable String apiKey,
            Function<GenerationEvent.Finished, E> lastEvent,
            Supplier<AnswerReader<E>> readers,
            Consumer<RemoteAnswer<E>> whenOver) {
        this.servers = servers;
        this.client = lane.client();
        this.context = lane.context();
        this.question = question;
        this.apiKey = apiKey;
        this.readers = readers;
        this.whenOver = whenOver;
        this.events = new EventQueue<>(lastEvent, () -> current().pause(), this::resume, this::close);
        this.reader = readers.get();
    }

    /// @param place is taken over, unless this throws
    void start(Place place, Duration timeout) {
        var own = place.handOver();
        try (var untilItRuns = Lease.of(own::close)) {
            context.runOnContext(_ -> {
                deadline = context.owner().setTimer(timeout.toMillis(), _ -> end(FinishReason.TIMEOUT));
                ask(own);
            });
            untilItRuns.keep();
        }
    }

    /// Asks a server. If that fails in this program, the answer ends.
    private void ask(Place taken) {
        try (taken) {
            var server = taken.server();
            tried.add(server);
            reader = readers.get();
            var next = new Attempt(server, context, new Reply());
            attempt = next;
            place = taken.handOver();
            next.start(client, question, Objects.requireNonNull(server.model()), apiKey);
        } catch (RefusedException e) {
            failed(Failure.notAsked(e));
        } catch (RuntimeException | Error e) {
            failed(e);
        }
    }

    /// A bug, or no memory.
    private void failed(Throwable cause) {
        LOG.error("request={} failed", question.requestId(), cause);
        acceptance.completeExceptionally(cause);
        end(FinishReason.ERROR);
    }

    private void leave() {
        var taken = place;
        place = null;
        if (taken != null) {
            taken.close();
        }
    }

    /// Receives the answer of the current server.
    private final class Reply implements Attempt.Listener {
        @Override
        public void accepted() {
            acceptance.complete(null);
        }

        @Override
        public void data(String data) {
            if (over) {
                return;
            }
            var before = reader.emitted();
            Failure failure;
            try {
                failure = reader.read(data, events::add);
            } catch (IOException e) {
                failure = Failure.broken("the engine's server sent an invalid answer", e.getMessage() + "");
            } catch (RuntimeException | Error e) {
                RemoteAnswer.this.failed(e);
                return;
            }
            if (failure != null) {
                stop(failure);
            } else if (reader.isLast()) {
                complete();
            } else if (reader.isComplete() && (usageTimer < 0 || reader.emitted() > before)) {
                // Content may follow the finish reason. The wait begins again while it does.
                context.owner().cancelTimer(usageTimer);
                usageTimer = context.owner().setTimer(USAGE_MILLIS, _ -> complete());
            }
        }

        @Override
        public void error(String data) {
            if (!over) {
                stop(Failure.reported(data));
            }
        }

        @Override
        public void holds(long bytes) {
            if (!over) {
                events.holdBesides(bytes + reader.heldBytes());
            }
        }

        @Override
        public void ended() {
            if (over) {
                return;
            }
            if (reader.isComplete()) {
                complete();
            } else {
                stop(Attempt.cut("its stream ended without an end of the answer"));
            }
        }

        @Override
        public void failed(Failure failure) {
            if (!over && reader.isComplete()) {
                // The text is complete; only the usage is missing.
                complete();
            } else if (!over) {
                RemoteAnswer.this.failed(failure);
            }
        }

        private void stop(Failure failure) {
            current().abort();
            RemoteAnswer.this.failed(failure);
        }
    }

    private void resume() {
        context.runOnContext(_ -> {
            if (attempt != null) {
                attempt.resume();
            }
        });
    }

    private Attempt current() {
        return Objects.requireNonNull(attempt);
    }

    private void failed(Failure failure) {
        var server = current().server();
        leave();
        attempt = null;
        // What has come of an event is forgotten.
        events.holdBesides(0);
        LOG.atLevel(failure.blame() == Failure.Blame.NONE ? Level.INFO : Level.WARN)
                .log("request={} server={} {}", question.requestId(), server, failure.detail());
        switch (failure.blame()) {
            case NONE -> {}
            case FAILED -> server.failed(servers.hasOther(server));
            case GONE -> server.unhealthy(failure.detail(), true);
        }
        var next = reader.emitted() > 0 ? null : next(failure, server);
        if (next != null) {
            ask(next);
        } else if (acceptance.completeExceptionally(failure.refusal())) {
            end(FinishReason.ERROR);
        } else {
            end(reader.ended(FinishReason.ERROR, failure.refusal().getMessage()));
        }
    }

    /// Takes a place at the server to try next; null if there is none. Each is tried once, and one of them
    /// twice if its connection broke.
    private @Nullable Place next(Failure failure, RemoteServer server) {
        var other = failure.elsewhere() ? servers.take(tried) : null;
        if (other == null && failure.again() && !askedAgain) {
            // The server may have closed a kept connection in the meantime, so it is tried again.
            askedAgain = true;
            return server.place();
        }
        return other;
    }

    private void complete() {
        var done = current();
        attempt = null;
        done.finish();
        done.server().succeeded();
        leave();
        end(reader.finished());
    }

    private void end(FinishReason reason) {
        if (!over) {
            end(reader.ended(reason, null));
        }
    }

    private void end(GenerationEvent.Finished finished) {
        if (over) {
            return;
        }
        over = true;
        leave();
        var timers = context.owner();
        timers.cancelTimer(deadline);
        timers.cancelTimer(usageTimer);
        var running = attempt;
        if (running != null) {
            attempt = null;
            running.abort();
        }
        events.end(finished);
        acceptance.complete(null);
        whenOver.accept(this);
        LOG.debug("request={} server={} reason={}", question.requestId(), tried.getLast(), finished.reason());
    }

    @Override
    public void awaitAccepted() {
        try {
            acceptance.get();
        } catch (ExecutionException e) {
            if (e.getCause() instanceof RefusedException refused) {
                throw refused;
            }
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException _) {
            close();
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void countIn(HeldMemory memory) {
        memory.take(question.heldBytes());
        events.countIn(memory);
    }

    @Override
    public Iterator<E> iterator() {
        return events;
    }

    /// The last event has made the reader's state known.
    @Override
    public int cachedTokens() {
        return reader.cachedTokens();
    }

    @Override
    public void close() {
        context.runOnContext(_ -> end(FinishReason.CANCELLED));
    }
}
