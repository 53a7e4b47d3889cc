package dev.llmworker.engine;

import dev.llmworker.generation.Share;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/// Waiting sequences in lines, one for each owner of requests. The next sequence is that of the owner which has had the
/// least work done for its weight. Of two that are equal, the one that has waited longer is next. Within a line the
/// first come is the first served.
///
/// This is the virtual token counter of "Fairness in Serving Large Language Models" (Sheng and others, OSDI
/// 2024). An owner that has had nothing waiting is lifted to the least of those that wait. So it has no claim on slots
/// that it did not use, and nobody pays later for slots that nobody else wanted.
///
/// Threading: its caller holds a lock.
final class FairQueue {
    private final Map<String, Line> lines = new HashMap<>();
    private final Map<Sequence, Taken> taken = new IdentityHashMap<>();
    /// Whose sequence was taken last.
    private @Nullable Line last;

    private long arrivals;
    private int size;

    /// A sequence and the order in which it came.
    private record Entry(long arrival, Sequence sequence) {}

    /// What one owner has waiting and running.
    private static final class Line {
        final ArrayDeque<Entry> waiting = new ArrayDeque<>();
        int weight;
        int running;
        /// The work that was done for it, divided by its weight.
        double served;

        boolean isActive() {
            return running > 0 || !waiting.isEmpty();
        }

        boolean isBefore(Line other) {
            return served < other.served || served == other.served && arrival() < other.arrival();
        }

        private long arrival() {
            return waiting.getFirst().arrival;
        }
    }

    /// A sequence that has a slot, or is about to.
    private static final class Taken {
        final Line line;
        long counted;

        Taken(Line line) {
            this.line = line;
        }

        void count(Sequence sequence) {
            var work = sequence.work();
            line.served += (double) (work - counted) / line.weight;
            counted = work;
        }
    }

    void add(Sequence sequence) {
        var share = sequence.share();
        var line = lines.computeIfAbsent(share.owner(), _ -> new Line());
        // A key's weight may have changed since its last request.
        line.weight = share.weight();
        if (line.waiting.isEmpty()) {
            countWork();
            line.served = Math.max(line.served, level());
        }
        line.waiting.add(new Entry(arrivals++, sequence));
        size++;
    }

    @Nullable
    Sequence poll() {
        if (size == 0) {
            return null;
        }
        countWork();
        @Nullable Line next = null;
        for (var line : lines.values()) {
            if (!line.waiting.isEmpty() && (next == null || line.isBefore(next))) {
                next = line;
            }
        }
        var line = Objects.requireNonNull(next);
        var sequence = line.waiting.remove().sequence;
        size--;
        last = line;
        line.running++;
        var work = new Taken(line);
        taken.put(sequence, work);
        // Its prompt counts at once, so that slots which are free together go to several owners.
        work.count(sequence);
        return sequence;
    }

    /// A sequence that was taken has ended. Others are ignored.
    void ended(Sequence sequence) {
        var work = taken.remove(sequence);
        if (work == null) {
            return;
        }
        work.count(sequence);
        work.line.running--;
        forgetIdle();
    }

    boolean remove(Sequence sequence) {
        return removeIf(sequence.share().owner(), it -> it == sequence, new ArrayList<>(1));
    }

    /// Takes out the sequences whose deadline has passed.
    List<Sequence> removeExpired(long nowNanos) {
        var expired = new ArrayList<Sequence>(0);
        for (var owner : List.copyOf(lines.keySet())) {
            removeIf(owner, sequence -> sequence.isExpired(nowNanos), expired);
        }
        return expired;
    }

    /// @return whether it has removed some
    private boolean removeIf(String owner, Predicate<Sequence> wanted, Collection<Sequence> removed) {
        var line = lines.get(owner);
        var before = removed.size();
        if (line != null
                && line.waiting.removeIf(entry -> wanted.test(entry.sequence) && removed.add(entry.sequence))) {
            size -= removed.size() - before;
            forgetIdle();
            return true;
        }
        return false;
    }

    /// Takes out all sequences.
    List<Sequence> clear() {
        var all = lines.values().stream()
                .flatMap(line -> line.waiting.stream())
                .map(Entry::sequence)
                .toList();
        lines.clear();
        last = null;
        taken.clear();
        size = 0;
        return all;
    }

    int size() {
        return size;
    }

    int owners() {
        return lines.size();
    }

    /// Whether other owners than this one wait or run.
    boolean hasOthers(Share share) {
        return lines.entrySet().stream()
                .anyMatch(line -> line.getValue().isActive() && !line.getKey().equals(share.owner()));
    }

    /// Whether fewer sequences of an owner wait than its part of `places`, by the weights of all that wait or run. Each
    /// owner's part is at least one place, if there are any.
    boolean isBelowShare(Share share, int places) {
        var own = lines.get(share.owner());
        var others = lines.values().stream()
                .filter(line -> line != own && line.isActive())
                .mapToLong(line -> line.weight)
                .sum();
        var part = Math.max(Math.min(places, 1), (long) places * share.weight() / (others + share.weight()));
        return (own == null ? 0 : own.waiting.size()) < part;
    }

    private void countWork() {
        taken.forEach((sequence, work) -> work.count(sequence));
    }

    /// What an owner has been served at least by the time that it waits: as much as the least of those that wait.
    /// If none does, as much as the one whose sequence was taken last. Owners that only run do not count: what they
    /// have had less of, they did not want.
    private double level() {
        return lines.values().stream()
                .filter(line -> !line.waiting.isEmpty())
                .mapToDouble(line -> line.served)
                .min()
                .orElse(last == null ? 0 : last.served);
    }

    /// An idle owner is remembered only while it has had more than the others: later it would be lifted to them.
    private void forgetIdle() {
        if (lines.values().stream().noneMatch(Line::isActive)) {
            lines.clear();
            last = null;
            return;
        }
        var level = level();
        lines.values().removeIf(line -> !line.isActive() && line.served <= level);
    }
}
