package dev.llmworker.child;

import java.time.Duration;
import org.jspecify.annotations.Nullable;

/// Where the life of the server stands. Time counts only while somebody watches: a worker that the system had frozen
/// does not hold the pause against its server.
///
/// @param phase of the process that runs now, or ran last
/// @param phaseNanos how long this phase lasts
/// @param heard changes whenever the server is heard: it has passed a health check, or has sent a part of an answer
/// @param quietNanos how long it was not heard
/// @param deaths how many processes in a row have ended before they had been ready for a while
record ChildLife(Phase phase, long phaseNanos, long heard, long quietNanos, int deaths) {
    enum Phase {
        /// Not ready yet.
        STARTING,
        /// It has been ready. A health check may fail since.
        READY
    }

    static ChildLife first() {
        return new ChildLife(Phase.STARTING, 0, 0, 0, 0);
    }

    /// Another process begins.
    ChildLife begun() {
        return new ChildLife(Phase.STARTING, 0, heard, 0, deaths);
    }

    /// The process still runs.
    ///
    /// @param nanos since the last look
    ChildLife looked(long nanos, boolean isReady, long heard) {
        var now = isReady ? Phase.READY : phase;
        return new ChildLife(
                now,
                now == phase ? phaseNanos + nanos : 0,
                heard,
                heard == this.heard ? quietNanos + nanos : 0,
                deaths);
    }

    /// The process has ended.
    ChildLife died(ChildServer.Limits limits) {
        var settled = phase == Phase.READY && phaseNanos >= limits.settled().toNanos();
        return new ChildLife(phase, phaseNanos, heard, quietNanos, settled ? 1 : deaths + 1);
    }

    /// Why the process must be stopped, as the end of a sentence about it; null if it may run on.
    @Nullable
    String fault(ChildServer.Limits limits) {
        return switch (phase) {
            case STARTING ->
                phaseNanos < limits.start().toNanos()
                        ? null
                        : "was not ready after " + limits.start().toSeconds() + " s";
            case READY ->
                quietNanos < limits.silence().toNanos()
                        ? null
                        : "hangs: it passed no health check and sent nothing for "
                                + limits.silence().toSeconds() + " s";
        };
    }

    /// How long to wait before the next process.
    Duration pause(ChildServer.Limits limits) {
        var doubled = limits.firstPause().multipliedBy(1L << Math.clamp(deaths - 1, 0, 20));
        return doubled.compareTo(limits.longestPause()) < 0 ? doubled : limits.longestPause();
    }

    /// Whether it keeps dying.
    boolean isFailing(ChildServer.Limits limits) {
        return deaths >= limits.failing();
    }
}
