package dev.llmworker.model.loading;

import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/// Reads and checks tensors on other threads while earlier ones are put into a program. A disk is then read while a GPU
/// copies and unpacks, and numbers are checked on several cores.
///
/// Threading: one thread calls [#check] and [#close].
final class ReadAhead implements AutoCloseable {
    /// The most bytes that are read and not used yet. More would only push others out of the system's cache.
    static final long WINDOW_BYTES = 1L << 30;
    private static final int MOST_THREADS = 4;
    private static final long UNIT_BYTES = 1L << 20;

    /// Reads a whole tensor.
    @FunctionalInterface
    interface Check {
        void check(Tensor tensor) throws ModelFileException;
    }

    private final Check check;
    private final Map<Key, Ahead> ahead = new HashMap<>();
    private final Set<Key> checked = new HashSet<>();
    private final Semaphore room;
    private final int windowUnits;
    private final ExecutorService threads;

    /// A tensor's name is unique within its file.
    private record Key(Path file, String name) {
        static Key of(Tensor tensor) {
            return new Key(tensor.file(), tensor.name());
        }
    }

    /// A tensor that some thread reads: one of the readers, or the user if none has begun.
    private static final class Ahead {
        final FutureTask<Boolean> task;
        /// Of the window, which a reader takes before it reads, and gives back when the tensor has been used.
        final int units;

        private boolean taken;
        private boolean used;

        Ahead(Callable<Boolean> whole, int units) {
            task = new FutureTask<>(whole);
            this.units = units;
        }

        /// The reader has taken its units.
        ///
        /// @return false if the tensor has been used meanwhile
        synchronized boolean take() {
            taken = true;
            return !used;
        }

        /// @return whether there are units to give back
        synchronized boolean use() {
            used = true;
            return taken;
        }
    }

    /// @param tensors in the order in which they will be used, more or less
    ReadAhead(List<Tensor> tensors, Check check, long windowBytes) {
        this.check = check;
        this.windowUnits = (int) Math.ceilDiv(windowBytes, UNIT_BYTES);
        this.room = new Semaphore(windowUnits);
        this.threads = Executors.newFixedThreadPool(
                Math.clamp(Runtime.getRuntime().availableProcessors(), 1, MOST_THREADS),
                Thread.ofPlatform().name("weights-", 0).daemon().factory());
        for (var tensor : tensors) {
            Callable<Boolean> whole = () -> {
                check.check(tensor);
                return true;
            };
            var units = (int) Math.min(windowUnits, Math.ceilDiv(tensor.storedBytes(), UNIT_BYTES));
            var next = new Ahead(whole, units);
            if (ahead.putIfAbsent(Key.of(tensor), next) == null) {
                threads.execute(() -> read(next));
            }
        }
    }

    private void read(Ahead next) {
        try {
            room.acquire(next.units);
        } catch (InterruptedException _) {
            return;
        }
        if (next.take()) {
            next.task.run();
        } else {
            room.release(next.units);
        }
    }

    /// Waits until the tensor has been read. If no thread has begun with it, this one reads it.
    ///
    /// @param tensor of the file, a copy of it in another order, or a slice of it
    /// @throws ModelFileException of its check
    void check(Tensor tensor) throws ModelFileException, InterruptedException {
        var key = whole(Key.of(tensor));
        if (checked.contains(key)) {
            return;
        }
        var found = ahead.remove(key);
        if (found == null) {
            check.check(tensor);
            return;
        }
        checked.add(key);
        found.task.run();
        try {
            found.task.get();
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case ModelFileException wrong -> throw wrong;
                case RuntimeException wrong -> throw wrong;
                case null, default -> throw new IllegalStateException(e.getCause());
            }
        } finally {
            if (found.use()) {
                room.release(found.units);
            }
        }
    }

    /// That of the tensor of the file, of which this one may be a slice.
    private Key whole(Key key) {
        var end = key.name.lastIndexOf('[');
        return end < 0 || ahead.containsKey(key) || checked.contains(key)
                ? key
                : new Key(key.file, key.name.substring(0, end));
    }

    /// Waits until no thread reads any more: the file may be closed afterwards.
    @Override
    public void close() {
        threads.shutdownNow();
        var interrupted = Thread.interrupted();
        for (var ended = false; !ended; ) {
            try {
                ended = threads.awaitTermination(1, TimeUnit.MINUTES);
            } catch (InterruptedException _) {
                interrupted = true;
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
