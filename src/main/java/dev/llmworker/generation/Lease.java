package dev.llmworker.generation;

import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/// A place that is taken and must be given back once: at a server, in a queue, among the prompts of a
/// connection. Take it in a try-with-resources. Whatever is thrown then gives it back, until it has an owner.
///
/// ```java
/// try (var place = take()) {
///     mayThrow();
///     owner.accept(place.handOver());
/// }
/// ```
///
/// Threading: any thread.
public final class Lease implements AutoCloseable {
    private final AtomicReference<@Nullable Runnable> giveBack;

    private Lease(@Nullable Runnable giveBack) {
        this.giveBack = new AtomicReference<>(giveBack);
    }

    /// @param giveBack runs once
    public static Lease of(Runnable giveBack) {
        return new Lease(giveBack);
    }

    /// The owner's lease. Closing this one does nothing any more.
    public Lease handOver() {
        return new Lease(giveBack.getAndSet(null));
    }

    /// The place has an owner that gives it back by other means. Closing this one does nothing any more.
    public void keep() {
        giveBack.set(null);
    }

    @Override
    public void close() {
        var action = giveBack.getAndSet(null);
        if (action != null) {
            action.run();
        }
    }
}
