package dev.llmworker.serving.connection;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/// The event streams that are open. Proxies close a connection on which nothing comes for a while, and a request may
/// wait minutes for its first token. So a stream that is silent says that it is still there.
///
/// Threading: any thread.
public final class QuietStreams {
    /// A stream says something at least this often.
    public static final long MOST_MILLIS = 15_000;

    private static final long LOOK_MILLIS = 1_000;
    // So that a stream that is not silent enough now is in time at the next look.
    private static final long SILENT_MILLIS = MOST_MILLIS - LOOK_MILLIS;

    private final ConnectionClock clock;
    private final Set<Stream> open = ConcurrentHashMap.newKeySet();

    public QuietStreams(ConnectionClock clock) {
        this.clock = clock;
        clock.every(LOOK_MILLIS, now -> open.forEach(stream -> stream.look(now)));
    }

    /// A stream begins.
    ///
    /// @param whenSilent says something on it
    Stream begin(Runnable whenSilent) {
        var stream = new Stream(whenSilent);
        open.add(stream);
        return stream;
    }

    /// One stream, from when its client waits until its last event.
    public final class Stream implements AutoCloseable {
        private final Runnable whenSilent;
        private volatile long saidMillis = clock.nowMillis();

        private Stream(Runnable whenSilent) {
            this.whenSilent = whenSilent;
        }

        /// Something has been sent.
        public void said() {
            saidMillis = clock.nowMillis();
        }

        private void look(long nowMillis) {
            if (nowMillis - saidMillis >= SILENT_MILLIS) {
                saidMillis = nowMillis;
                // Not here: what an event loop writes itself overtakes what other threads have given to it.
                Thread.ofVirtual().name("keep-alive").start(whenSilent);
            }
        }

        /// Nothing more comes.
        @Override
        public void close() {
            open.remove(this);
        }
    }
}
