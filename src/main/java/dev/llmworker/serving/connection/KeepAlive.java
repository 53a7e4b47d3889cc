package dev.llmworker.serving.connection;

import java.util.function.LongSupplier;

/// Whether the client of a WebSocket is still there, and goes on with the message that it has begun.
///
/// Threading: its event loop writes; any thread looks.
final class KeepAlive {
    private static final long NEVER = Long.MIN_VALUE;

    private final LongSupplier nowMillis;
    private volatile long heardMillis;
    private volatile long pingedMillis = NEVER;
    private volatile long frameMillis = NEVER;
    private volatile long messageMillis = NEVER;
    private volatile boolean paused;

    /// What is to be done about the client.
    enum Finding {
        WELL,
        TO_PING,
        GONE,
        TOO_SLOW
    }

    /// @param nowMillis the clock
    public KeepAlive(LongSupplier nowMillis) {
        this.nowMillis = nowMillis;
        heardMillis = nowMillis.getAsLong();
    }

    /// Anything came from the client.
    void heard() {
        heardMillis = nowMillis.getAsLong();
    }

    /// Part of a frame is there, or none is.
    void frameBegun(boolean begun) {
        frameMillis = since(frameMillis, begun);
    }

    /// Part of a message is there, or none is.
    void messageBegun(boolean begun) {
        messageMillis = since(messageMillis, begun);
    }

    private long since(long beganMillis, boolean begun) {
        if (!begun) {
            return NEVER;
        }
        return beganMillis == NEVER ? nowMillis.getAsLong() : beganMillis;
    }

    /// Whether the worker does not read, so that the client cannot send.
    void paused(boolean stopped) {
        paused = stopped;
        if (!stopped) {
            frameMillis = since(NEVER, frameMillis != NEVER);
            messageMillis = since(NEVER, messageMillis != NEVER);
            heard();
        }
    }

    /// Checks the connection, and notes a ping if one is due.
    Finding look(long nowMillis, Timeouts timeouts) {
        if (paused) {
            return Finding.WELL;
        }
        var limit = timeouts.body().toMillis();
        if (isOver(frameMillis, nowMillis, limit) || isOver(messageMillis, nowMillis, limit)) {
            return Finding.TOO_SLOW;
        }
        var interval = timeouts.ping().toMillis();
        if (interval == 0 || nowMillis - heardMillis < interval) {
            pingedMillis = NEVER;
            return Finding.WELL;
        }
        // What came since the last ping was its answer, or as good.
        if (pingedMillis == NEVER || heardMillis >= pingedMillis) {
            pingedMillis = nowMillis;
            return Finding.TO_PING;
        }
        return nowMillis - pingedMillis > timeouts.pong().toMillis() ? Finding.GONE : Finding.WELL;
    }

    private static boolean isOver(long beganMillis, long nowMillis, long limitMillis) {
        return beganMillis != NEVER && nowMillis - beganMillis > limitMillis;
    }
}
