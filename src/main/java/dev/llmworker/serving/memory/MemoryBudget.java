package dev.llmworker.serving.memory;

import java.util.concurrent.atomic.AtomicLong;

/// The bytes that all requests under way may hold together: bodies and messages that are being read, parsed JSON,
/// prompts that wait or run, and answers that clients have not read. Work that does not fit is rejected, so that no
/// number of clients fills the heap.
///
/// Threading: any thread; it never waits.
public final class MemoryBudget {
    /// How much of a request's head does not count. It is an ordinary head, so a health check gets through whatever
    /// others hold; the limit on connections is made for it.
    private static final long UNCOUNTED_HEAD_BYTES = 16 << 10;

    private final long limitBytes;
    private final AtomicLong used = new AtomicLong();

    public MemoryBudget(long limitBytes) {
        this.limitBytes = limitBytes;
    }

    /// A budget that refuses nothing, for text that did not come from a client.
    public static MemoryBudget unlimited() {
        return new MemoryBudget(Long.MAX_VALUE);
    }

    /// How many bytes of a request's head count.
    ///
    /// @param bytes that the head takes
    public static long ofHead(long bytes) {
        return Math.max(0, bytes - UNCOUNTED_HEAD_BYTES);
    }

    /// The share of one request, connection or message. It holds nothing yet.
    public Lease lease() {
        return new Lease();
    }

    public long usedBytes() {
        return used.get();
    }

    private boolean reserve(long bytes) {
        while (true) {
            var now = used.get();
            if (bytes > limitBytes - now) {
                return false;
            }
            if (used.compareAndSet(now, now + bytes)) {
                return true;
            }
        }
    }

    /// A part of the budget. Closing it gives everything back; a closed one takes nothing more.
    ///
    /// Threading: any thread.
    public final class Lease implements AutoCloseable {
        private long held;
        private boolean closed;

        private Lease() {}

        /// Takes `bytes` more, or fewer if negative.
        ///
        /// @return whether they fit; if not, it holds what it held before
        public synchronized boolean take(long bytes) {
            if (closed || !reserve(bytes)) {
                return false;
            }
            held += bytes;
            return true;
        }

        /// Holds exactly `bytes` from now on.
        ///
        /// @return whether they fit; if not, it holds what it held before
        public synchronized boolean resize(long bytes) {
            if (bytes > held) {
                return take(bytes - held);
            }
            used.addAndGet(bytes - held);
            held = bytes;
            return true;
        }

        /// Holds exactly `bytes` from now on, even if they do not fit: they are in memory already. New work is then
        /// rejected until there is room again.
        public synchronized void count(long bytes) {
            if (!closed && bytes != held) {
                used.addAndGet(bytes - held);
                held = bytes;
            }
        }

        /// Holds `bytes` more from now on, or fewer if negative, even if they do not fit.
        public synchronized void add(long bytes) {
            count(held + bytes);
        }

        /// A new lease that holds what this one held. This one is closed.
        public synchronized Lease handOver() {
            var next = new Lease();
            next.held = held;
            held = 0;
            closed = true;
            return next;
        }

        /// Whether `bytes` more would be too many even if no other request held any.
        public synchronized boolean isTooLarge(long bytes) {
            return bytes > limitBytes - held;
        }

        public long limitBytes() {
            return limitBytes;
        }

        @Override
        public synchronized void close() {
            if (held > 0) {
                used.addAndGet(-held);
            }
            held = 0;
            closed = true;
        }
    }
}
