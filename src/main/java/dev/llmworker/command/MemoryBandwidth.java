package dev.llmworker.command;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.stream.IntStream;

/// Measures how fast some threads read memory together. Decoding one answer cannot be faster than its weights are read.
final class MemoryBandwidth {
    /// Larger than the caches of a processor.
    private static final long BYTES = 256L << 20;
    /// A part of it for each thread is a multiple of this.
    private static final int STEP_BYTES = 8 * Long.BYTES;

    private static final long NANOS = 300_000_000;

    private MemoryBandwidth() {}

    /// @return bytes a second, in the best of the passes that 0.3 seconds have room for
    static double measure(int threads) throws InterruptedException {
        try (var arena = Arena.ofShared();
                var pool = Executors.newFixedThreadPool(threads)) {
            var part = BYTES / threads / STEP_BYTES * STEP_BYTES;
            var parts = IntStream.range(0, threads)
                    .<Callable<Long>>mapToObj(_ -> {
                        var memory = arena.allocate(part, STEP_BYTES).fill((byte) 1);
                        return () -> sum(memory);
                    })
                    .toList();
            var best = 0.0;
            var start = System.nanoTime();
            for (var now = start; now - start < NANOS; ) {
                var sum = 0L;
                for (var done : pool.invokeAll(parts)) {
                    sum += done.get();
                }
                var end = System.nanoTime();
                // It depends on the sum, so that no compiler leaves the reading out.
                best = sum == 0 ? best : Math.max(best, part * threads * 1e9 / (end - now));
                now = end;
            }
            return best;
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        }
    }

    /// Several sums, because one would wait for each addition.
    private static long sum(MemorySegment memory) {
        long a = 0, b = 0, c = 0, d = 0;
        var count = memory.byteSize() / Long.BYTES;
        for (var i = 0L; i < count; i += 4) {
            a += memory.getAtIndex(ValueLayout.JAVA_LONG, i);
            b += memory.getAtIndex(ValueLayout.JAVA_LONG, i + 1);
            c += memory.getAtIndex(ValueLayout.JAVA_LONG, i + 2);
            d += memory.getAtIndex(ValueLayout.JAVA_LONG, i + 3);
        }
        return a + b + c + d;
    }
}
