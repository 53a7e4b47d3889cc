package dev.llmworker.soak;

import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.LongAdder;

/// What a soak found: counts of what was done and answered, and what must not be.
///
/// Threading: any thread.
final class Findings {
    private static final int SHOWN = 20;

    private final Map<String, LongAdder> counts = new ConcurrentSkipListMap<>();
    private final Map<String, LongAdder> statuses = new ConcurrentHashMap<>();
    private final Queue<String> violations = new ConcurrentLinkedQueue<>();
    private boolean failed;

    void count(String what) {
        counts.computeIfAbsent(what, _ -> new LongAdder()).increment();
    }

    /// Every answer's status: 503 is the only one from 500 on that may be.
    void status(int status, String of) {
        statuses.computeIfAbsent(Integer.toString(status), _ -> new LongAdder()).increment();
        if (status >= 500 && status != 503) {
            violation(of + " was answered by " + status);
        }
    }

    void violation(String what) {
        violations.add(what);
    }

    /// One line of the result.
    void check(boolean holds, String what) {
        System.out.println((holds ? "ok    " : "FAIL  ") + what);
        failed |= !holds;
    }

    void note(String what) {
        System.out.println("      " + what);
    }

    /// Prints what was done and what was wrong.
    void summary() {
        note("done: " + counts);
        note("answers by status: " + new TreeMap<>(statuses));
        violations.stream().limit(SHOWN).forEach(violation -> note("wrong: " + violation));
        check(violations.isEmpty(), violations.size() + " answers or connections were not as they must be");
    }

    List<String> violations() {
        return List.copyOf(violations);
    }

    boolean failed() {
        return failed || !violations.isEmpty();
    }
}
