package dev.llmworker.hub.download;

import java.io.IOException;
import java.net.http.HttpResponse.BodySubscriber;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.Flow.Subscription;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// A response's body, read with a limit on stalls. The client's own input stream would wait for ever.
///
/// Threading: one thread reads; the HTTP client's threads supply the data.
final class TimedBody implements BodySubscriber<TimedBody>, AutoCloseable {
    /// How many chunks of 16 KiB may arrive ahead of the reader, so that the connection keeps flowing while it
    /// writes.
    private static final int CHUNKS_AHEAD = 8;

    private sealed interface Item {}

    private record Bytes(List<ByteBuffer> buffers) implements Item {}

    private record End() implements Item {}

    private record Failure(Throwable cause) implements Item {}

    private final Duration stallLimit;
    private final BlockingQueue<Item> items = new LinkedBlockingQueue<>();
    private final CompletableFuture<TimedBody> subscribed = new CompletableFuture<>();
    private volatile @Nullable Subscription subscription;

    TimedBody(Duration stallLimit) {
        this.stallLimit = stallLimit;
    }

    /// The next bytes; an empty list at the end.
    ///
    /// @throws TransferException if the connection drops or stalls
    List<ByteBuffer> next() throws IOException, InterruptedException {
        requestAnother();
        return switch (items.poll(stallLimit.toMillis(), TimeUnit.MILLISECONDS)) {
            case Bytes(var buffers) -> buffers;
            case End() -> List.of();
            case Failure(var cause) -> throw new TransferException("the connection dropped: " + cause, cause);
            case null -> throw new TransferException("no bytes for " + stallLimit.toSeconds() + " s");
        };
    }

    /// Closes the connection; the rest of the body is not read.
    @Override
    public void close() {
        var open = subscription;
        if (open != null) {
            open.cancel();
        }
    }

    @Override
    public CompletionStage<TimedBody> getBody() {
        return subscribed;
    }

    @Override
    public void onSubscribe(Subscription subscription) {
        this.subscription = subscription;
        subscription.request(CHUNKS_AHEAD);
        subscribed.complete(this);
    }

    @Override
    public void onNext(List<ByteBuffer> buffers) {
        items.add(new Bytes(buffers));
    }

    @Override
    public void onError(Throwable cause) {
        subscribed.completeExceptionally(cause);
        items.add(new Failure(cause));
    }

    @Override
    public void onComplete() {
        items.add(new End());
    }

    private void requestAnother() {
        var open = subscription;
        if (open != null) {
            open.request(1);
        }
    }
}
