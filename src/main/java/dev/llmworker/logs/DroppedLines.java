package dev.llmworker.logs;

import java.util.function.LongSupplier;

/// How many log lines of this process were dropped. This class works without Logback, unlike [LogQueue]: Camel JBang
/// logs by another library.
///
/// Threading: any thread.
public final class DroppedLines {
    private static volatile LongSupplier counter = () -> 0;

    private DroppedLines() {}

    static void countedBy(LongSupplier counter) {
        DroppedLines.counter = counter;
    }

    public static long count() {
        return counter.getAsLong();
    }
}
