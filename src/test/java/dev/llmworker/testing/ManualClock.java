package dev.llmworker.testing;

import dev.llmworker.serving.connection.ConnectionClock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.LongConsumer;

/// A clock that stands still until a test advances it. The checks of connections run on the test's thread, at their
/// times, while it advances: when [#advance] returns, they are done.
///
/// Threading: any thread reads it; one advances it.
public final class ManualClock implements ConnectionClock {
    private final List<Check> checks = new CopyOnWriteArrayList<>();
    private volatile long nowMillis;

    private record Check(long everyMillis, LongConsumer check) {}

    @Override
    public long nowMillis() {
        return nowMillis;
    }

    @Override
    public void every(long millis, LongConsumer check) {
        checks.add(new Check(millis, check));
    }

    public void advance(Duration duration) {
        for (var left = duration.toMillis(); left > 0; left--) {
            var now = nowMillis + 1;
            nowMillis = now;
            for (var check : checks) {
                if (now % check.everyMillis == 0) {
                    check.check.accept(now);
                }
            }
        }
    }
}
