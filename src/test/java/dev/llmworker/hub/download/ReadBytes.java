package dev.llmworker.hub.download;

import dev.llmworker.hub.progress.Progress;
import java.io.IOException;
import java.util.concurrent.TimeUnit;

/// How far a client has read the file that it downloads.
public final class ReadBytes extends Progress {
    private static final long LIMIT_NANOS = TimeUnit.SECONDS.toNanos(30);

    private long bytes;

    public ReadBytes() {
        super(null, _ -> {}, System::nanoTime);
    }

    @Override
    public synchronized void stage(String name, long totalBytes) {
        bytes = 0;
    }

    @Override
    public synchronized void advanced(long bytes) {
        this.bytes += bytes;
        notifyAll();
    }

    @Override
    public synchronized void done() {
        bytes = 0;
    }

    /// @throws IOException where the client does not come so far
    public synchronized void await(long wanted) throws IOException {
        var end = System.nanoTime() + LIMIT_NANOS;
        try {
            while (bytes < wanted) {
                var left = TimeUnit.NANOSECONDS.toMillis(end - System.nanoTime());
                if (left <= 0) {
                    throw new IOException("the client has read " + bytes + " of " + wanted + " bytes");
                }
                wait(left);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
